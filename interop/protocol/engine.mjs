// The cases that both official suites have: what Engine.IO asks of a server, whatever is spoken over it.

import assert from 'node:assert/strict';

import { eventually, within } from '../support/client.mjs';
import { startServer } from '../support/server.mjs';
import { Line, PollingSession, openLine, request, sleep } from '../support/wire.mjs';

/** As in the official suites; both in milliseconds. */
export const PING_INTERVAL = 300;
export const PING_TIMEOUT = 200;

/** Two servers: one as in the official suites, and one that has hours between two pings. */
export async function startServers() {
  const pings = (interval, timeout) => ['--ping-interval', interval, '--ping-timeout', timeout];
  const start = (args) => startServer(args, { store: 'memory' });
  return [
    await start(pings(`${PING_INTERVAL}ms`, `${PING_TIMEOUT}ms`)),
    await start(pings('5h', '5h')),
  ];
}

const isHandshake = (handshake, upgrades) => {
  assert.deepEqual(Object.keys(handshake).sort(), ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades']);
  assert.equal(typeof handshake.sid, 'string');
  assert.deepEqual(handshake.upgrades, upgrades);
  assert.equal(handshake.pingInterval, PING_INTERVAL);
  assert.equal(handshake.pingTimeout, PING_TIMEOUT);
  assert.equal(handshake.maxPayload, 1_000_000);
};

const refused = async (server, ...attempts) => {
  for (const [params, options] of attempts) {
    assert.equal((await request(server, params, options)).status, 400, JSON.stringify(params));
  }
};

const refusedLines = async (server, ...attempts) => {
  for (const params of attempts) {
    const line = new Line(server, params);
    await line.closed();
    // A client of Socket.IO 2 is told why, in a session that is none.
    const said = await line.next();
    assert.ok(said === undefined || said.startsWith('0{"sid":"none",'), said);
  }
};

/** A session that has gone on to a WebSocket: both. */
const upgraded = async (server) => {
  const session = await PollingSession.open(server);
  const line = session.upgrade();
  await line.opened;
  line.send('2probe');
  assert.equal(await line.next(), '3probe');
  line.send('5');
  return { session, line };
};

/** Still there: it gets a ping, and later another one. */
const lives = async (line) => {
  for (let pinged = 0; pinged < 2; ) {
    const packet = await line.next();
    assert.notEqual(packet, undefined, 'it was closed');
    if (packet !== '2') continue;
    pinged += 1;
    line.send('3');
  }
};

export const handshake = {
  polling: {
    opens: async (server) => isHandshake((await PollingSession.open(server)).handshake, ['websocket']),
    version: (server) => refused(server, [{ EIO: '' }], [{ EIO: 'abc' }]),
    transport: (server) => refused(server, [{ transport: '' }], [{ transport: 'abc' }]),
    method: (server) => refused(server, [{}, { method: 'POST' }], [{}, { method: 'PUT' }]),
  },
  webSocket: {
    opens: async (server) => {
      const line = await openLine(server);
      isHandshake(line.handshake, []);
      line.close();
    },
    version: (server) => refusedLines(server, { EIO: '' }, { EIO: 'abc' }),
    transport: (server) => refusedLines(server, { transport: '' }, { transport: 'abc' }),
  },
};

export const heartbeat = {
  polling: {
    exchanged: async (server) => {
      const session = await PollingSession.open(server);
      for (let n = 0; n < 3; n += 1) {
        assert.deepEqual(await session.poll(), { status: 200, text: '2' });
        assert.deepEqual(await session.post('3'), { status: 200, text: 'ok' });
      }
    },
    missed: async (server) => {
      const session = await PollingSession.open(server);
      await sleep(PING_INTERVAL + PING_TIMEOUT);
      await eventually('the session is over', async () => (await session.poll()).status === 400);
    },
  },
  webSocket: {
    exchanged: async (server) => {
      const line = await openLine(server);
      for (let n = 0; n < 3; n += 1) {
        assert.equal(await line.next(), '2');
        line.send('3');
      }
      line.close();
    },
    missed: async (server) => {
      const line = await openLine(server);
      await line.closed();
    },
  },
};

/** Why a session over polling begins with a ping here, and what that changes. */
export const FIRST_PING = 'the first ping comes with the session and not after pingInterval, and answers the first poll';

/** A session over polling whose first ping has been fetched, on a server with hours between two of them. */
export async function pinged(quiet) {
  const session = await PollingSession.open(quiet);
  assert.deepEqual(await within('the first ping', session.poll()), { status: 200, text: '2' });
  await session.post('3');
  return session;
}

export const close = {
  polling: async (_, quiet) => {
    const session = await pinged(quiet);
    const [poll] = await Promise.all([session.poll(), sleep(20).then(() => session.post('1'))]);
    assert.deepEqual(poll, { status: 200, text: '6' });
    assert.equal((await session.poll()).status, 400);
  },
  webSocket: async (server) => {
    const line = await openLine(server);
    line.send('1');
    await line.closed();
  },
};

export const upgrade = {
  succeeds: async (server) => {
    const session = await PollingSession.open(server);
    const line = session.upgrade();
    await line.opened;
    line.send('2probe');
    assert.equal(await line.next(), '3probe');
    // The poll that waits is let go.
    assert.deepEqual(await session.poll(), { status: 200, text: '6' });
    line.send('5');
    await lives(line);
    line.close();
  },
  ignoresPolls: async (server) => {
    const { session, line } = await upgraded(server);
    assert.equal((await session.poll()).status, 400);
    await lives(line);
    line.close();
  },
  ignoresWebSockets: async (server) => {
    const { session, line } = await upgraded(server);
    const second = session.upgrade();
    await second.closed();
    await lives(line);
    line.close();
  },
};
