// The official client, with a log of everything that it is sent, in order.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { io } from 'socket.io-client';

/** Only a guard against hanging. */
const PATIENCE = 20_000;

export const transports = {
  WebSocket: { transports: ['websocket'] },
  polling: { transports: ['polling'] },
  'polling, upgraded': { transports: ['polling', 'websocket'] },
};

export const unique = (what) => `${what}-${randomBytes(6).toString('hex')}`;

/** The 24 hex digits of an id that MongoDB stores as an ObjectId. */
export const hexId = () => randomBytes(12).toString('hex');

/** Connects, or fails with the server's reason. */
export async function connect(server, { token = unique('user'), ...options } = {}) {
  const client = new Client(server, { auth: token === null ? {} : { token }, ...options });
  client.user = token;
  await client.connected();
  return client;
}

/** Tries to connect and resolves to the `connect_error`. */
export async function refusal(server, options) {
  const client = new Client(server, { reconnection: false, ...options });
  try {
    return await within('a connect_error', new Promise((resolve, reject) => {
      client.socket.on('connect_error', resolve);
      client.socket.on('connect', () => reject(new Error('it was let in')));
    }));
  } finally {
    client.close();
  }
}

export class Client {
  /** Every event since the connection, in the order of arrival: `{ name, data }`. */
  log = [];
  #seen = 0;
  #waiting = [];

  constructor(server, options) {
    this.socket = io(server.url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 100, ...options });
    this.socket.onAny((name, ...args) => {
      assert.ok(args.length <= 1, `${name} has ${args.length} arguments`);
      this.#add(name, args[0]);
    });
    this.socket.on('disconnect', (reason) => this.#add('disconnect', reason));
  }

  #add(name, data) {
    this.log.push({ name, data });
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async connected() {
    if (this.socket.connected) return;
    await within('a connection', new Promise((resolve, reject) => {
      this.socket.once('connect', resolve);
      this.socket.once('connect_error', reject);
    }));
  }

  /** Resolves to the next event of this name that has not been taken yet; events of other names are passed over. */
  async next(name, matches = () => true) {
    return await within(`${name} for ${this.user}, after ${JSON.stringify(this.names())}`, (async () => {
      for (;;) {
        for (; this.#seen < this.log.length; this.#seen += 1) {
          const { name: got, data } = this.log[this.#seen];
          if (got === name && matches(data)) {
            this.#seen += 1;
            return data;
          }
        }
        await new Promise((resolve) => this.#waiting.push(resolve));
      }
    })());
  }

  /** All that arrived under this name. */
  all(name) {
    return this.log.filter((event) => event.name === name).map((event) => event.data);
  }

  names() {
    return this.log.map((event) => event.name);
  }

  /** Emits and resolves to the acknowledgement. */
  async ask(name, ...args) {
    return await within(`an acknowledgement of ${name}`, this.socket.emitWithAck(name, ...args));
  }

  emit(name, ...args) {
    this.socket.emit(name, ...args);
  }

  /**
   * Resolves when everything that the server sent to this client before has arrived: a connection keeps its order, so
   * an acknowledgement comes after it.
   */
  async settled() {
    await this.ask('leaveRoom', { roomId: unique('barrier') });
  }

  close() {
    this.socket.disconnect();
  }
}

export async function within(what, promise) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${PATIENCE} ms: ${what}`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls until it is so. */
export async function eventually(what, is) {
  const begin = Date.now();
  while (!(await is())) {
    assert.ok(Date.now() - begin < PATIENCE, `not within ${PATIENCE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
