// The service of today with a MongoDB that has its users, rooms and channels: all of them measured and audited without a
// write of ours into its database.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { MongoClient, ObjectId } from 'mongodb';

import { TRANSPORTS, finds, measure, passes, serve } from '../measure.mjs';

const here = import.meta.dirname;
const scenario = join(here, 'today.toml');
const mongodb = process.env.TARGETS_MONGODB;
assert.ok(mongodb, 'TARGETS_MONGODB is not set: start these tests with interop/targets/run');

/** What the service's database has before anybody measures it: what the files say, which one would take from it. */
async function fill(db) {
  for (const kind of ['rooms', 'channels']) {
    const [, ...lines] = (await readFile(join(here, `${kind}.csv`), 'utf8')).trim().split('\n');
    const members = new Map();
    for (const [id, ...users] of lines.map((line) => line.split(','))) {
      members.set(id, [...(members.get(id) ?? []), ...users.map((user) => new ObjectId(user))]);
    }
    const all = [...members].map(([id, users]) => ({ _id: new ObjectId(id), members: users }));
    await db.collection(kind).insertMany(all);
  }
}

async function service(t, env = {}) {
  const database = `today_${randomBytes(6).toString('hex')}`;
  const mongo = await new MongoClient(mongodb).connect();
  t.after(async () => {
    await mongo.db(database).dropDatabase();
    await mongo.close();
  });
  await fill(mongo.db(database));
  const uri = `${mongodb}/${database}`;
  const all = { MONGODB: uri, SECRET: 'the secret of the running service', ...env };
  const port = await serve(t, 'node', [join(here, 'service.mjs')], all);
  return { target: `http://localhost:${port}`, uri, database, mongo };
}

/** How often anybody wrote into the service's database, and what there is. */
async function written({ mongo, database }) {
  // By collection, since MongoDB counts what it writes for itself among all.
  const { totals } = await mongo.db('admin').command({ top: 1 });
  const own = Object.keys(totals).filter((name) => name.startsWith(`${database}.`));
  const count = (kind) => own.reduce((sum, name) => sum + totals[name][kind].count, 0);
  const collections = (await mongo.db(database).listCollections().toArray()).map(({ name }) => name).sort();
  const { databases } = await mongo.db('admin').admin().listDatabases({ nameOnly: true });
  const [insert, update, removed] = ['insert', 'update', 'remove'].map(count);
  return { insert, update, removed, collections, databases: databases.map(({ name }) => name).sort() };
}

describe('the service of today', () => {
  const places = [{ auth: '{token}', header: '' }, { auth: '', header: '{token}' }];
  for (const [n, transport] of TRANSPORTS.entries()) {
    const { auth, header } = places[n % 2];
    const where = header ? 'in the header' : 'in auth';
    test(`all is delivered, confirmed and saved, over ${transport}, the token ${where}`, async (t) => {
      const running = await service(t);
      const before = await written(running);
      const set = ['--set', `transport=${transport}`, '--set', `auth=${auth}`, '--set', `header=${header}`];
      const measured = await measure(t, scenario, running.target, ['--audit', running.uri, ...set]);
      passes(t, measured, transport);
      const { scheduled, confirmed, stored, failed } = measured.run.totals;
      assert.deepEqual({ confirmed, stored, failed }, { confirmed: scheduled, stored: scheduled, failed: 0 }, measured.said);

      const after = await written(running);
      assert.deepEqual(after, {
        insert: before.insert + scheduled,
        update: before.update,
        removed: before.removed,
        collections: ['channels', 'message2', 'messages', 'rooms'],
        databases: before.databases,
      });
    });
  }

  test('messages that are confirmed and not saved are found', async (t) => {
    const running = await service(t, { FAULT: 'forgetful' });
    finds(await measure(t, scenario, running.target, ['--audit', running.uri]), 'confirmed_not_stored');
  });
});
