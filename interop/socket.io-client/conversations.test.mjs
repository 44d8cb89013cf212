// Rooms and channels in both dialects, over every transport: every event, every acknowledgement, and what they promise.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { ObjectId } from 'mongodb';

import { connect, eventually, hexId, transports, unique } from '../support/client.mjs';
import { startServer } from '../support/server.mjs';
import { dialects, other } from '../support/vocabulary.mjs';

for (const [dialect, vocabulary] of Object.entries(dialects)) {
  describe(`dialect ${dialect}`, () => {
    let server;
    before(async () => {
      server = await startServer(['--dialect', dialect]);
    });
    after(async () => {
      assert.equal(await server.stop(), 0);
    });

    for (const [transport, options] of Object.entries(transports)) {
      for (const names of [vocabulary.room, vocabulary.channel]) {
        describe(`${names.kind} over ${transport}`, () => {
          conversation(() => server, vocabulary, names, options);
        });
      }
    }

    for (const names of [vocabulary.room, vocabulary.channel]) {
      test(`${names.kind}: the other dialect's names are understood, and answered in this one`, async () => {
        const others = dialects[other(dialect)][names.kind];
        const [alice, bob] = await members(server, names);
        const id = unique(names.kind);
        for (const member of [alice, bob]) {
          assert.equal((await member.ask(others.join, { [names.id]: id })).success, true);
        }
        const sent = await alice.ask(others.send, { [names.id]: id, senderId: alice.user, body: 'hi' });
        assert.equal(sent.success, true);
        assert.equal((await bob.next(names.received)).body, 'hi');
        assert.equal((await alice.next(names.atOnce)).body, 'hi');
        assert.equal((await bob.ask(others.leave, { [names.id]: id })).success, true);
        close(alice, bob);
      });
    }

    test('nothing is left when everybody has gone', async () => {
      await eventually('all counts are zero', async () => {
        const { totalUsers, totalRooms, totalSockets } = await server.stats();
        return totalUsers === 0 && totalRooms === 0 && totalSockets === 0;
      });
    });
  });
}

function conversation(server, vocabulary, names, options) {
  test('joining and leaving are acknowledged', async () => {
    const [alice, bob] = await members(server(), names, options);
    const id = unique(names.kind);
    assert.deepEqual(await alice.ask(names.join, { [names.id]: id }), {
      success: true,
      message: `Successfully joined the ${names.kind}`,
      data: { [names.id]: id, connectedUsers: 1, alreadyJoined: false },
    });
    const second = await bob.ask(names.join, { [names.id]: id });
    assert.equal(second.data.connectedUsers, 2);
    assert.deepEqual(await bob.ask(names.join, { [names.id]: id }), {
      success: true,
      message: `Already in the ${names.kind}`,
      data: { [names.id]: id, connectedUsers: 2, alreadyJoined: true },
    });
    assert.deepEqual(await bob.ask(names.leave, { [names.id]: id }), {
      success: true,
      message: `Successfully left the ${names.kind}`,
      data: { [names.id]: id },
    });
    assert.equal((await bob.ask(names.send, { [names.id]: id, senderId: bob.user, body: 'x' })).success, false);
    close(alice, bob);
  });

  test('a message is delivered at once, saved, and confirmed to all and nobody else', async () => {
    const [alice, bob, stranger] = await members(server(), names, options, 3);
    const id = hexId();
    await join(names, id, alice, bob);
    await join(names, unique('elsewhere'), stranger);
    const before = Date.now();
    const workspace = names.kind === 'channel' ? { workspaceId: 'w1' } : {};
    const payload = { [names.id]: id, ...workspace, senderId: alice.user, body: 'Grüße 👋', image: 'https://x/y.png' };
    const sent = await alice.ask(names.send, payload);

    const optimistic = await bob.next(names.received);
    assert.match(optimistic._id, /^temp_\d{13}_[a-z0-9]{9}$/);
    const { createdAt } = optimistic;
    assert.equal(new Date(createdAt).toISOString(), createdAt);
    assert.ok(Date.parse(createdAt) >= before - 1 && Date.parse(createdAt) <= Date.now());
    const message = {
      body: 'Grüße 👋',
      image: 'https://x/y.png',
      imageKey: null,
      status: 'unread',
      [names.id]: id,
      ...workspace,
      senderId: optimistic.senderId,
      createdAt,
      updatedAt: createdAt,
    };
    assert.deepEqual(optimistic, { _id: optimistic._id, ...message, isOptimistic: true });
    assert.deepEqual(Object.keys(optimistic.senderId).sort(), ['_id', 'avatar', 'email', 'username']);
    assert.equal(optimistic.senderId._id, alice.user);
    assert.deepEqual(await alice.next(names.atOnce), optimistic);

    const confirmed = await bob.next(names.confirmed);
    assert.match(confirmed._id, /^[0-9a-f]{24}$/);
    assert.deepEqual(confirmed, { _id: confirmed._id, ...message, tempId: optimistic._id, isConfirmed: true });
    assert.deepEqual(await alice.next(names.confirmed), confirmed);

    assert.equal(sent.success, true);
    assert.equal(sent.message, names.created);
    assert.equal(sent.data._id, confirmed._id);
    assert.equal(sent.data.body, 'Grüße 👋');
    for (const time of [sent.timing.emitTime, sent.timing.dbTime]) assert.ok(time >= 0 && time < 60_000, `${time}`);
    assert.ok(sent.timing.emitTime <= sent.timing.dbTime, 'emitted before it was saved');

    const [stored, ...more] = await server().stored(names.collection, { _id: new ObjectId(confirmed._id) });
    assert.deepEqual(more, []);
    assert.equal(stored.body, 'Grüße 👋');
    assert.deepEqual(stored[names.id], new ObjectId(id));
    assert.equal(stored.senderId, alice.user);
    assert.equal(stored.createdAt.toISOString(), createdAt);

    await Promise.all([alice, bob, stranger].map((client) => client.settled()));
    assert.deepEqual(bob.names(), [names.received, names.confirmed]);
    assert.deepEqual(alice.names(), [names.atOnce, names.confirmed]);
    assert.deepEqual(stranger.names(), [], 'no cross-talk');
    close(alice, bob, stranger);
  });

  test('a message without an acknowledgement is delivered and confirmed all the same', async () => {
    const [alice, bob] = await members(server(), names, options);
    const id = unique(names.kind);
    await join(names, id, alice, bob);
    alice.emit(names.send, { [names.id]: id, senderId: alice.user, body: 'no ack' });
    const optimistic = await bob.next(names.received);
    assert.equal((await bob.next(names.confirmed)).tempId, optimistic._id);
    close(alice, bob);
  });

  test('an image with its file name and time stamp gets a key, and an integer is an id', async () => {
    const [alice, bob] = await members(server(), names, options);
    const id = Math.floor(Math.random() * 1e15);
    assert.equal((await alice.ask(names.join, { [names.id]: id })).data[names.id], String(id));
    await join(names, String(id), bob);
    const payload = { [names.id]: id, senderId: alice.user, body: 'b', image: 'i' };
    if (names.kind === 'room') Object.assign(payload, { filename: 'my holiday photo.png', timeStamp: 1760000000000 });
    await alice.ask(names.send, payload);
    const { imageKey, [names.id]: got } = await bob.next(names.received);
    assert.equal(got, String(id));
    assert.equal(imageKey, names.kind === 'room' ? 'my_holiday_photo.png-1760000000000' : null);
    close(alice, bob);
  });

  test('messages arrive in order, the same for all, each confirmed once and after its delivery', async () => {
    const clients = await members(server(), names, options, 4);
    const id = unique(names.kind);
    await join(names, id, ...clients);
    const [alice, bob] = clients;
    const each = 50;
    const sends = [];
    for (let n = 0; n < each; n += 1) {
      for (const sender of [alice, bob]) {
        sends.push(sender.ask(names.send, { [names.id]: id, senderId: sender.user, body: `${n}` }));
      }
    }
    const acks = await Promise.all(sends);
    assert.ok(acks.every((ack) => ack.success));
    await Promise.all(clients.map((client) => client.settled()));

    for (const client of clients) {
      const deliveries = client.log.filter((event) => [names.received, names.atOnce].includes(event.name));
      assert.equal(deliveries.length, 2 * each);
      for (const sender of [alice, bob]) {
        const bodies = deliveries.filter(({ data }) => data.senderId._id === sender.user).map(({ data }) => data.body);
        assert.deepEqual(bodies, Array.from({ length: each }, (_, n) => `${n}`));
      }
      const delivered = new Set();
      const ended = new Set();
      for (const { name, data } of client.log) {
        if (name === names.confirmed) {
          assert.ok(delivered.has(data.tempId), 'confirmed after its delivery');
          assert.ok(!ended.has(data.tempId), 'confirmed once');
          ended.add(data.tempId);
        } else {
          delivered.add(data._id);
        }
      }
      assert.equal(ended.size, 2 * each);
    }
    // Senders may get their own under another event; the order of all of them is still one.
    const orders = clients.map((client) =>
      client.log.filter((event) => event.name !== names.confirmed).map((event) => event.data._id),
    );
    for (const order of orders) assert.deepEqual(order, orders[0]);
    close(...clients);
  });

  test('the same clientMsgId again is the same message', async () => {
    const [alice, bob] = await members(server(), names, options);
    const id = unique(names.kind);
    await join(names, id, alice, bob);
    const payload = { [names.id]: id, senderId: alice.user, body: 'once', clientMsgId: unique('c') };
    const first = await alice.ask(names.send, payload);
    const again = await alice.ask(names.send, payload);
    assert.equal(first.success, true);
    assert.deepEqual(again.data, first.data);
    assert.equal((await bob.next(names.received)).clientMsgId, payload.clientMsgId);
    assert.equal((await bob.next(names.confirmed)).clientMsgId, payload.clientMsgId);
    await bob.settled();
    assert.deepEqual(bob.names(), [names.received, names.confirmed]);
    assert.equal((await server().stored(names.collection, { clientMsgId: payload.clientMsgId })).length, 1);
    close(alice, bob);
  });

  test('what is wrong is answered with what would be right', async () => {
    const [alice] = await members(server(), names, options, 1);
    const refused = async (event, payload, message) => {
      const answer = await alice.ask(event, ...(payload === undefined ? [] : [payload]));
      assert.equal(answer.success, false, `${event} ${JSON.stringify(payload)}`);
      if (message !== undefined) assert.equal(answer.message, message, `${event} ${JSON.stringify(payload)}`);
      else assert.ok(answer.message.length > 0);
    };
    const noObject = `Invalid data format. Expected JSON object with ${names.id}`;
    for (const event of [names.join, names.leave, names.send]) {
      for (const payload of ['text', 7, true, null, ['x'], undefined]) await refused(event, payload, noObject);
      await refused(event, {}, `${names.id} is required`);
      await refused(event, { [names.id]: '' }, `${names.id} is required`);
      for (const id of [{ $ne: null }, ['x'], true, 1.5, 'x'.repeat(129)]) await refused(event, { [names.id]: id });
    }
    const id = unique(names.kind);
    await refused(names.send, { [names.id]: id, senderId: alice.user, body: 'x' }, `Join the ${names.kind} before sending`);
    await join(names, id, alice);
    await refused(names.send, { [names.id]: id, senderId: alice.user }, 'body is required');
    await refused(names.send, { [names.id]: id, senderId: alice.user, body: { $gt: '' } });
    await refused(names.send, { [names.id]: id, senderId: alice.user, body: 'x'.repeat(65_537) });
    await alice.settled();
    assert.deepEqual(alice.names(), [], 'nothing of it was delivered');
    close(alice);
  });

  test('who has left gets nothing more', async () => {
    const [alice, bob] = await members(server(), names, options);
    const id = unique(names.kind);
    await join(names, id, alice, bob);
    await bob.ask(names.leave, { [names.id]: id });
    await alice.ask(names.send, { [names.id]: id, senderId: alice.user, body: 'x' });
    await bob.settled();
    assert.deepEqual(bob.names(), []);
    close(alice, bob);
  });
}

async function members(server, names, options, count = 2) {
  return await Promise.all(Array.from({ length: count }, () => connect(server, options)));
}

async function join(names, id, ...clients) {
  for (const client of clients) {
    const { success, message } = await client.ask(names.join, { [names.id]: id });
    assert.ok(success, message);
  }
}

function close(...clients) {
  for (const client of clients) client.close();
}
