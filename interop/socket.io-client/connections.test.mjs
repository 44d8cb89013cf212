// Who is let in, who is whom, and what happens to a user's rooms when connections come and go.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import jwt from 'jsonwebtoken';

import { Client, connect, eventually, refusal, transports, unique, within } from '../support/client.mjs';
import { startServer } from '../support/server.mjs';

describe('without a secret', () => {
  let server;
  before(async () => {
    server = await startServer();
  });
  after(async () => {
    assert.equal(await server.stop(), 0);
  });

  for (const [transport, options] of Object.entries(transports)) {
    test(`no token over ${transport}: refused, with the reason`, async () => {
      for (const auth of [undefined, {}, { token: '' }, { token: null }]) {
        const error = await refusal(server, { ...options, auth });
        assert.equal(error.message, 'Authentication error: Token is required');
      }
    });
  }

  test('the token is the user, from auth or from the header', async () => {
    const observer = await connect(server);
    const room = { roomId: unique('room') };
    await observer.ask('joinRoom', room);
    for (const options of [{ token: 'ann' }, { token: null, extraHeaders: { 'access-token': 'ben' } }]) {
      const client = await connect(server, options);
      await client.ask('joinRoom', room);
      const user = options.token ?? 'ben';
      assert.ok((await client.ask('roomMessage', { ...room, senderId: user, body: user })).success);
      assert.equal((await observer.next('roomMessageRecieved')).senderId._id, user);
      client.close();
    }
    observer.close();
  });

  test('polling is upgraded to WebSocket, and messages go on during it', async () => {
    const alice = new Client(server, { transports: ['polling', 'websocket'], auth: { token: unique('user') } });
    const upgraded = new Promise((resolve) => {
      alice.socket.io.once('open', () => alice.socket.io.engine.once('upgrade', resolve));
    });
    await alice.connected();
    const room = { roomId: unique('room') };
    await alice.ask('joinRoom', room);
    const sends = Array.from({ length: 20 }, (_, n) => alice.ask('roomMessage', { ...room, senderId: 'x', body: `${n}` }));
    await within('an upgrade', upgraded);
    assert.equal(alice.socket.io.engine.transport.name, 'websocket');
    assert.ok((await Promise.all(sends)).every((ack) => ack.success));
    const bodies = alice.all('roomMessageRecieved').map((message) => message.body);
    assert.deepEqual(bodies, sends.map((_, n) => `${n}`));
    alice.close();
  });

  test('a second login takes over the rooms; the first is told, and its end changes nothing', async () => {
    const user = unique('user');
    const bob = await connect(server);
    const first = await connect(server, { token: user });
    const room = { roomId: unique('room') };
    const channel = { channelId: unique('channel') };
    await bob.ask('joinRoom', room);
    await first.ask('joinRoom', room);
    await first.ask('JOIN_CHANNEL', channel);
    assert.deepEqual(first.names(), [], 'a first login is told nothing');

    const second = await connect(server, { token: user });
    const already = await second.next('accountAlreadyLoggedIn');
    assert.equal(already.userId, user);
    assert.ok(already.message.length > 0 && already.timestamp !== undefined);
    const elsewhere = await first.next('accountLoggedInElsewhere');
    assert.equal(elsewhere.userId, user);
    assert.ok(elsewhere.message.length > 0 && elsewhere.timestamp !== undefined);
    const reconnected = second.all('reconnected')[0] ?? (await second.next('reconnected'));
    assert.equal(reconnected.message, 'Successfully reconnected');
    assert.equal(reconnected.rooms.length, 2);
    // The ids that are shown name connections and open none: they are not Engine.IO's session ids.
    assert.equal(already.previousSocketId, reconnected.previousSocketId);
    for (const shown of [already.previousSocketId, elsewhere.newSocketId]) {
      assert.ok(typeof shown === 'string' && shown.length > 0);
      for (const client of [first, second]) assert.notEqual(shown, client.socket.io.engine?.id);
    }
    assert.notEqual(already.previousSocketId, elsewhere.newSocketId);

    await bob.ask('roomMessage', { ...room, senderId: bob.user, body: 'to the second' });
    assert.equal((await second.next('roomMessageRecieved')).body, 'to the second');
    first.close();
    await bob.settled();
    await bob.ask('roomMessage', { ...room, senderId: bob.user, body: 'still there' });
    assert.equal((await second.next('roomMessageRecieved')).body, 'still there');
    assert.equal(first.all('roomMessageRecieved').length, 0, 'one live socket per user');
    assert.ok((await second.ask('NEW_MESSAGE_EVENT', { ...channel, senderId: user, body: 'x' })).success);
    bob.close();
    second.close();
  });

  test('a client that lost its connection comes back, joins again, and goes on', async () => {
    const alice = await connect(server);
    const bob = await connect(server);
    const room = { roomId: unique('room') };
    await alice.ask('joinRoom', room);
    await bob.ask('joinRoom', room);
    const again = new Promise((resolve) => alice.socket.io.once('reconnect', resolve));
    // As a cut line: the transport is closed without a word to the server.
    alice.socket.io.engine.transport.ws.terminate();
    await within('a reconnect', again);
    await alice.connected();
    await alice.ask('joinRoom', room);
    await bob.ask('roomMessage', { ...room, senderId: bob.user, body: 'welcome back' });
    assert.equal((await alice.next('roomMessageRecieved')).body, 'welcome back');
    alice.close();
    bob.close();
  });

  test('what no client should send is refused, and the others do not notice', async () => {
    const bob = await connect(server);
    const room = { roomId: unique('room') };
    await bob.ask('joinRoom', room);
    assert.equal((await bob.ask('noSuchEvent', { a: 1 })).success, false);
    for (const hostile of [Buffer.alloc(10), { roomId: Buffer.alloc(10) }, { ...room, body: 'x'.repeat(2_000_000) }]) {
      const client = await connect(server, { reconnection: false });
      await client.ask('joinRoom', room);
      const told = client.socket.timeout(10_000).emitWithAck('roomMessage', hostile);
      const ended = within('an end', new Promise((resolve) => client.socket.once('disconnect', resolve)));
      const outcome = await Promise.any([told.then((ack) => ack.success), ended]);
      assert.notEqual(outcome, true);
      told.catch(() => {});
      ended.catch(() => {});
      client.close();
    }
    await bob.settled();
    assert.deepEqual(bob.names(), []);
    assert.ok((await bob.ask('roomMessage', { ...room, senderId: bob.user, body: 'unharmed' })).success);
    bob.close();
  });

  test('what operators ask over HTTP is answered', async () => {
    const alice = await connect(server);
    await alice.ask('joinRoom', { roomId: unique('room') });
    const sockets = (await server.get('/debug/sockets')).json();
    assert.deepEqual(Object.keys(sockets.stats).sort(), ['totalRooms', 'totalSockets', 'totalUsers']);
    assert.ok(sockets.stats.totalUsers >= 1 && sockets.stats.totalRooms >= 1);
    assert.equal(new Date(sockets.timestamp).toISOString(), sockets.timestamp);
    const verbose = await server.get('/debug/sockets?verbose');
    assert.ok(verbose.text.includes(alice.user));
    assert.ok(!verbose.text.includes(alice.socket.io.engine.id), 'a session id is a key to the session');
    const health = await server.get('/health');
    assert.equal(health.status, 200);
    assert.equal(health.json().healthy, true);
    assert.equal((await server.get('/ping')).status, 200);
    const metrics = await server.get('/metrics');
    assert.equal(metrics.status, 200);
    assert.match(metrics.text, /^# TYPE /m);
    alice.close();
  });

  test('nothing is left when everybody has gone', async () => {
    await eventually('all counts are zero', async () => {
      const { totalUsers, totalRooms, totalSockets } = await server.stats();
      return totalUsers === 0 && totalRooms === 0 && totalSockets === 0;
    });
  });
});

describe('with a secret', () => {
  const secret = 'a secret of at least 32 characters, for HS256';
  const claims = { id: 'u7', username: 'Ann', email: 'ann@example.org', avatar: 'a.png' };
  let server;
  before(async () => {
    server = await startServer(['--jwt-secret', secret]);
  });
  after(async () => {
    assert.equal(await server.stop(), 0);
  });

  test('a good token lets in, and its claims are the sender', async () => {
    const client = await connect(server, { token: jwt.sign(claims, secret, { expiresIn: '1h' }) });
    const room = { roomId: unique('room') };
    await client.ask('joinRoom', room);
    assert.ok((await client.ask('roomMessage', { ...room, senderId: 'u7', body: 'x' })).success);
    const { senderId } = await client.next('roomMessageRecieved');
    assert.deepEqual(senderId, { _id: 'u7', username: 'Ann', email: 'ann@example.org', avatar: 'a.png' });
    const forged = await client.ask('roomMessage', { ...room, senderId: 'u8', body: 'x' });
    assert.deepEqual([forged.success, forged.message], [false, 'Invalid senderId']);
    client.close();
  });

  const bad = {
    'no JWT': 'u7',
    'signed with another secret': jwt.sign(claims, `${secret}!`),
    expired: jwt.sign(claims, secret, { expiresIn: -120 }),
    'without a signature': jwt.sign(claims, null, { algorithm: 'none' }),
    'of another algorithm': jwt.sign(claims, secret, { algorithm: 'HS384' }),
    'without an id': jwt.sign({ username: 'Ann' }, secret),
  };
  for (const [what, token] of Object.entries(bad)) {
    test(`a token that is ${what} is refused`, async () => {
      const error = await refusal(server, { auth: { token } });
      assert.equal(error.message, 'Invalid auth token provided');
    });
  }

  test('no token is refused', async () => {
    assert.equal((await refusal(server, {})).message, 'Authentication error: Token is required');
  });
});
