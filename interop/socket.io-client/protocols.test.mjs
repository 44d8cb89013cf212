// Clients of other protocols and parsers, and tokens: who is refused learns why, and nobody else is refused.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { createHmac } from 'node:crypto';

import jwt from 'jsonwebtoken';
import { io } from 'socket.io-client';
import io2 from 'socket.io-client-2';
import { io as io3 } from 'socket.io-client-3';
import * as msgpack from 'socket.io-msgpack-parser';

import { unique, within } from '../support/client.mjs';
import { startServer } from '../support/server.mjs';

/** The first of these events of a socket, with what came with it; the socket is closed then. */
async function first(socket, names) {
  try {
    return await within(names.join(' or '), new Promise((resolve) => {
      for (const name of names) socket.on(name, (data) => resolve({ name, data }));
    }));
  } finally {
    socket.close();
  }
}

describe('clients of other protocols', () => {
  let server;
  before(async () => {
    server = await startServer();
  });
  after(async () => {
    assert.equal(await server.stop(), 0);
  });

  const options = (transport) => ({ transports: [transport], forceNew: true, reconnection: false });

  test('Socket.IO 2 over WebSocket shows its user why', async () => {
    const socket = io2(server.url, { ...options('websocket'), query: { token: 'a' } });
    const { data } = await first(socket, ['error', 'connect']);
    assert.match(String(data), /^Unsupported protocol version: this server speaks Engine\.IO 4/);
  });

  test('Socket.IO 2 over polling gets what the official server answers', async () => {
    const { name, data } = await first(io2(server.url, options('polling')), ['connect_error', 'connect']);
    assert.equal(name, 'connect_error');
    assert.equal(data.description, 400);
    const { status, json } = await server.get('/socket.io/?EIO=3&transport=polling');
    assert.deepEqual([status, json()], [400, { code: 5, message: 'Unsupported protocol version' }]);
  });

  for (const transport of ['websocket', 'polling']) {
    test(`Socket.IO 3 over ${transport} is let in`, async () => {
      const socket = io3(server.url, { ...options(transport), auth: { token: unique('user') } });
      assert.equal((await first(socket, ['connect', 'connect_error'])).name, 'connect');
    });
  }

  test('a client with msgpack shows its user why', async () => {
    const parser = msgpack.default ?? msgpack;
    const socket = io(server.url, { ...options('websocket'), parser, auth: { token: 'a' } });
    const { name, data } = await first(socket, ['connect', 'connect_error', 'disconnect']);
    assert.equal(name, 'connect_error');
    assert.match(data.message, /^Unsupported parser: this server speaks the default parser of Socket\.IO/);
  });

  test('half an emoji is answered', async () => {
    const socket = io(server.url, { ...options('websocket'), auth: { token: unique('user') } });
    await within('a connection', new Promise((resolve) => socket.on('connect', resolve)));
    const ack = await socket.timeout(5000).emitWithAck('joinRoom', { roomId: '\ud83d' });
    assert.equal(ack.success, false);
    assert.ok(ack.message.length > 0);
    socket.close();
  });
});

describe('tokens', () => {
  test('the server and jsonwebtoken agree on a hundred of them', async () => {
    const table = JSON.parse(await readFile(new URL('../../server/tests/tokens.json', import.meta.url), 'utf8'));
    assert.ok(table.tokens.length > 90);
    for (const { what, header, payload, token, node } of table.tokens) {
      const part = (text) => Buffer.from(text).toString('base64url');
      const head = part(header ?? '{"alg":"HS256","typ":"JWT"}');
      const claims = part(payload ?? '{"id":"u"}');
      const signature = createHmac('sha256', table.secret).update(`${head}.${claims}`).digest('base64url');
      const whole = (token ?? '{header}.{payload}.{signature}')
        .replace('{header}', head).replace('{payload}', claims).replace('{signature}', signature);
      let accepted = true;
      try {
        jwt.verify(whole, table.secret, { algorithms: ['HS256'], clockTimestamp: table.now });
      } catch {
        accepted = false;
      }
      assert.equal(accepted, node, what);
    }
  });
});
