// How a case of an official suite is told apart from others: run as it is, adapted to a server that has a login and no
// echo, or a deviation. A deviation is a test too, of what this server does instead, so that a change is noticed.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, describe, test } from 'node:test';

/** The cases of one official suite, of which there must be `total`. */
export class Suite {
  #cases = [];

  constructor(title, total) {
    this.title = title;
    this.total = total;
  }

  /** A group, with the official suite's heading. */
  group(heading, define) {
    describe(heading, () => {
      this.heading = [...(this.heading ?? []), heading];
      define();
      this.heading = this.heading.slice(0, -1);
    });
  }

  run(name, check) {
    this.#add('run', name, undefined, check);
  }

  adapted(name, how, check) {
    this.#add('adapted', name, how, check);
  }

  deviation(name, why, check) {
    this.#add('deviation', name, why, check);
  }

  #add(kind, name, remark, check) {
    this.#cases.push({ kind, name, remark });
    test(remark === undefined ? name : `${name} [${kind}: ${remark}]`, check);
  }

  /** To be called last: no case is forgotten, and what deviates stands in the README. */
  close() {
    test(`${this.title}: all ${this.total} cases are here, and README.md names what is not run as it is`, async () => {
      assert.equal(this.#cases.length, this.total);
      const readme = await readFile(new URL('README.md', import.meta.url), 'utf8');
      const told = readme.split('\n').filter((line) => line.startsWith('| '));
      for (const { kind, name } of this.#cases.filter((one) => one.kind !== 'run')) {
        assert.ok(told.some((line) => line.includes(`| ${name} |`) && line.includes(` ${kind} `)), `${kind}: ${name}`);
      }
    });
    after(() => {
      const count = (kind) => this.#cases.filter((one) => one.kind === kind).length;
      console.log(
        `${this.title}: ${this.total} cases, ${count('run')} as they are, ${count('adapted')} adapted, ` +
          `${count('deviation')} deviations`,
      );
      for (const { name, remark } of this.#cases.filter((one) => one.kind === 'deviation')) {
        console.log(`  deviation: ${name}: ${remark}`);
      }
    });
  }
}
