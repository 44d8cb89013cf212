// How messages end when all is not well: saves that fail, a server that is told to stop, and the system before.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { connect, eventually, unique } from '../support/client.mjs';
import { CutLine, startServer } from '../support/server.mjs';
import { dialects } from '../support/vocabulary.mjs';

for (const [dialect, vocabulary] of Object.entries(dialects)) {
  for (const names of [vocabulary.room, vocabulary.channel]) {
    test(`${dialect}, ${names.kind}: a message that cannot be saved fails for all, once, and is not stored`, async () => {
      const line = await CutLine.open();
      const server = await startServer(['--dialect', dialect, '--save-deadline', '2s'], { store: line.uri });
      const [alice, bob] = [await connect(server), await connect(server)];
      const id = unique(names.kind);
      for (const client of [alice, bob]) assert.ok((await client.ask(names.join, { [names.id]: id })).success);
      const send = (body) => alice.ask(names.send, { [names.id]: id, senderId: alice.user, body });
      assert.ok((await send('before')).success);

      line.cut();
      const answer = await send('during');
      assert.equal(answer.success, false);
      assert.equal(answer.message, 'Failed to save message');
      assert.ok(answer.error.length > 0);
      const isDuring = (message) => message.body === 'during';
      const optimistic = await bob.next(names.received, isDuring);
      const failed = await bob.next(names.failed);
      assert.equal(failed.tempId, optimistic._id);
      assert.equal(failed.error, 'Failed to save message');
      assert.deepEqual(await alice.next(names.failed), failed);

      line.mend();
      await eventually('messages are saved again', async () => (await send('after')).success);
      await eventually('the failed one is not stored', async () => {
        return (await server.stored(names.collection, { body: 'during' })).length === 0;
      });
      for (const client of [alice, bob]) {
        await client.settled();
        const temporary = client.log.filter(({ data }) => data?.isOptimistic).map(({ data }) => data._id);
        const ends = [...client.all(names.confirmed), ...client.all(names.failed)].map((end) => end.tempId);
        assert.deepEqual([...ends].sort(), [...temporary].sort(), 'each ends exactly once');
      }
      alice.close();
      bob.close();
      assert.equal(await server.stop(), 0);
      await line.close();
    });
  }
}

test('a server that is told to stop ends every message first, and then the connections', async () => {
  const server = await startServer();
  const [alice, bob] = [await connect(server), await connect(server)];
  const room = { roomId: unique('room') };
  for (const client of [alice, bob]) await client.ask('joinRoom', room);
  for (let n = 0; n < 200; n += 1) alice.emit('roomMessage', { ...room, senderId: alice.user, body: `${n}` });
  await bob.next('roomMessageRecieved', (message) => message.body === '199');
  const stopped = server.terminate();
  await bob.next('disconnect');
  assert.equal(await stopped, 0);
  const delivered = bob.all('roomMessageRecieved').map((message) => message._id);
  const ends = [...bob.all('roomMessageConfirmed'), ...bob.all('roomMessageFailed')].map((end) => end.tempId);
  assert.equal(delivered.length, 200);
  assert.deepEqual([...ends].sort(), [...delivered].sort());
  const inStore = new Set((await server.stored('message2', room)).map((message) => message._id.toHexString()));
  assert.deepEqual(new Set(bob.all('roomMessageConfirmed').map((message) => message._id)), inStore);
  alice.close();
  bob.close();
  await server.forget();
});

describe('the system before (persist-first)', () => {
  for (const [dialect, vocabulary] of Object.entries(dialects)) {
    for (const names of [vocabulary.room, vocabulary.channel]) {
      test(`${dialect}, ${names.kind}: delivered after the save under its own id, and never confirmed`, async () => {
        const server = await startServer(['--dialect', dialect, '--delivery', 'persist-first']);
        const [alice, bob] = [await connect(server), await connect(server)];
        const id = unique(names.kind);
        for (const client of [alice, bob]) await client.ask(names.join, { [names.id]: id });
        const answer = await alice.ask(names.send, { [names.id]: id, senderId: alice.user, body: 'x' });
        assert.ok(answer.success);
        const message = await bob.next(names.received);
        assert.match(message._id, /^[0-9a-f]{24}$/);
        assert.equal(message.isOptimistic, undefined);
        assert.equal(message.senderId._id, alice.user);
        const [stored] = await server.stored(names.collection, { body: 'x' });
        assert.equal(stored._id.toHexString(), message._id);
        await bob.settled();
        assert.deepEqual(bob.names(), [names.received]);
        alice.close();
        bob.close();
        assert.equal(await server.stop(), 0);
      });
    }
  }
});
