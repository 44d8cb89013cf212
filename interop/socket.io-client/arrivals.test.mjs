// What was sent arrives: in the middle of an upgrade, past a client that is too slow, and until the server stops.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { connect, eventually, unique, within } from '../support/client.mjs';
import { SlowLink } from '../support/link.mjs';
import { startServer } from '../support/server.mjs';

const DELIVERED = 'roomMessageRecieved';
const ENDS = ['roomMessageConfirmed', 'roomMessageFailed'];

/** How many of these events an answer to a poll holds. */
const AN_ANSWER = 16;
/** Too little for what a client is sent: the server has to wait. */
const LITTLE = { holds: 64 * 1024 };
const large = (room, n) => ({ ...room, body: `${n}:${'x'.repeat(60_000)}` });
const numberOf = (message) => Number.parseInt(message.body, 10);
const endsOf = (client) => ENDS.flatMap((name) => client.all(name)).map((end) => end.tempId);

const joined = async (server, room, options) => {
  const client = await connect(server, options);
  assert.ok((await client.ask('joinRoom', room)).success);
  return client;
};

test('whatever waits when the transport changes arrives, with its end, in order', async () => {
  const MESSAGES = 100;
  const server = await startServer(['--save-time', '50ms'], { store: 'memory' });
  const link = await SlowLink.open(server, { delay: 50 });
  for (let round = 0; round < 3; round += 1) {
    const room = { roomId: unique('room') };
    const sender = await joined(server, room, { transports: ['websocket'] });
    const release = link.holdUpgrades();
    const client = await joined(link, room, { reconnection: false });
    const { engine } = client.socket.io;
    let waited;
    engine.once('upgrade', () => {
      waited = MESSAGES - client.all(DELIVERED).length;
    });
    for (let n = 0; n < MESSAGES; n += 1) sender.emit('roomMessage', large(room, n));
    await client.next(DELIVERED);
    assert.equal(engine.transport.name, 'polling');
    release();
    await eventually('an upgrade', () => waited !== undefined);
    assert.ok(waited > 2 * AN_ANSWER, `only ${waited} messages waited`);
    // If one is missing, what follows says which.
    await eventually('every end', () => endsOf(client).length >= MESSAGES).catch(() => {});
    const delivered = client.all(DELIVERED);
    assert.deepEqual(delivered.map(numberOf), Array.from({ length: MESSAGES }, (_, n) => n), `round ${round}`);
    assert.deepEqual(endsOf(client), delivered.map((message) => message._id), `round ${round}`);
    client.close();
    sender.close();
  }
  await link.close();
  assert.equal(await server.stop(), 0);
});

for (const transports of [['websocket'], ['polling', 'websocket']]) {
  test(`a client that is too slow is disconnected (${transports})`, async () => {
    // Only what waits for it may end it: no heartbeat and no silence on its line.
    const patient = ['--ping-interval', '5m', '--tcp-user-timeout', '5m', '--send-buffer', '64'];
    const server = await startServer(['--save-time', '1ms', ...patient], { store: 'memory' });
    const room = { roomId: unique('room') };
    const sender = await joined(server, room, { transports: ['websocket'] });
    const link = await SlowLink.open(server);
    const client = await joined(link, room, { transports, reconnection: false });
    // The sender's, the client's WebSocket, and that of the question.
    const connections = () => server.metric('chat_connections');
    await eventually('a WebSocket and nothing else', async () => {
      return client.socket.io.engine.transport.name === 'websocket' && (await connections()) === 3;
    });
    link.throttle(1000, LITTLE);
    let sent = 0;
    while ((await server.metric('chat_slow_consumers_total')) === 0) {
      assert.ok(sent < 1000, 'it keeps up');
      for (let n = 0; n < 9; n += 1, sent += 1) sender.emit('roomMessage', large(room, sent));
      await sender.ask('roomMessage', large(room, sent++));
    }
    await eventually('its connection is gone', async () => (await connections()) === 2);
    link.throttle(Infinity);
    await client.next('disconnect');
    sender.close();
    await link.close();
    assert.equal(await server.stop(), 0);
  });
}

describe('a server that is told to stop while everybody sends', () => {
  const USERS = 10;
  const MESSAGES = 25;
  const ALL = USERS * MESSAGES;

  for (const { store, args, success } of [
    { store: 'saves in time', args: ['--save-time', '5s'], success: true },
    { store: 'does not save in time', args: ['--save-time', '60s', '--drain-deadline', '8s'], success: false },
  ]) {
    test(`and whose store ${store}: every end and every answer arrive, and no connection breaks`, async () => {
      const server = await startServer(args, { store: 'memory' });
      const link = await SlowLink.open(server);
      const room = { roomId: unique('room') };
      const clients = [];
      for (let user = 0; user < USERS; user += 1) {
        clients.push(await joined(link, room, { transports: ['websocket'], reconnection: false }));
      }
      const answers = [];
      const closes = [];
      for (const client of clients) {
        client.socket.on('disconnect', (reason, details) => closes.push(`${reason}, ${details?.context?.code}`));
        for (let n = 0; n < MESSAGES; n += 1) {
          const message = { ...room, body: 'x'.repeat(4000) };
          client.socket.emit('roomMessage', message, (answer) => answers.push(answer.success));
        }
      }
      for (const client of clients) {
        await eventually('every delivery', () => client.all(DELIVERED).length === ALL);
      }
      const late = setInterval(() => {
        for (const client of clients) client.emit('roomMessage', { ...room, body: 'late' });
      }, 2);
      // What the server writes last is still on its way when it closes.
      link.throttle(2_000_000);
      assert.equal(await server.terminate(), 0);
      await eventually('everybody is disconnected', () => closes.length === USERS);
      clearInterval(late);
      for (const client of clients) {
        const delivered = client.all(DELIVERED).map((message) => message._id);
        assert.deepEqual(endsOf(client).sort(), delivered.sort());
      }
      assert.deepEqual(answers, Array(ALL).fill(success));
      assert.deepEqual(closes.filter((close) => close.endsWith('1006')), []);
      await server.forget();
      await link.close();
    });
  }

  test('says with its exit code that somebody did not take their ends', async () => {
    const server = await startServer(['--save-time', '1ms', '--drain-deadline', '2s'], { store: 'memory' });
    const room = { roomId: unique('room') };
    const sender = await joined(server, room, { transports: ['websocket'], reconnection: false });
    const link = await SlowLink.open(server);
    const client = await joined(link, room, { transports: ['websocket'], reconnection: false });
    link.throttle(1000, LITTLE);
    // More than all buffers between them hold, and less than a client may leave waiting.
    for (let n = 0; n < 200; n += 1) sender.emit('roomMessage', large(room, n));
    await sender.settled();
    assert.equal(await server.terminate(), 6);
    client.close();
    sender.close();
    await link.close();
    await server.forget();
  });
});
