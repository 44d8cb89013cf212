// socketioxide, without msgpack, under axum.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { TRANSPORTS, finds, measure, passes, serve } from '../measure.mjs';

const scenario = join(import.meta.dirname, 'templates.toml');
const program = process.env.TARGETS_SOCKETIOXIDE;
assert.ok(program, 'TARGETS_SOCKETIOXIDE is not set: start these tests with interop/targets/run');

const start = async (t, env) => `http://localhost:${await serve(t, program, [], env)}`;

describe('socketioxide', () => {
  for (const transport of TRANSPORTS) {
    test(`everything comes, over ${transport}`, async (t) => {
      const target = await start(t);
      passes(t, await measure(t, scenario, target, ['--set', `transport=${transport}`]), transport);
    });
  }

  test('messages that are told to another room, too, are found', async (t) => {
    finds(await measure(t, scenario, await start(t, { FAULT: 'elsewhere' })), 'cross_delivered');
  });
});
