// Engine.IO by hand: requests and frames as the protocol's documents have them, and nothing that a client would add.

import { WebSocket } from 'ws';

import { within } from './client.mjs';

const query = (params) => new URLSearchParams(params).toString();

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** One request of the polling transport; `params` replace those of the protocol. */
export async function request(server, params = {}, options = {}) {
  const response = await fetch(`${server.url}/socket.io/?${query({ EIO: 4, transport: 'polling', ...params })}`, options);
  return { status: response.status, text: await response.text() };
}

/** A session over polling. */
export class PollingSession {
  static async open(server) {
    const session = new PollingSession();
    session.server = server;
    session.handshake = JSON.parse((await request(server)).text.slice(1));
    session.sid = session.handshake.sid;
    return session;
  }

  /** The next answer, whatever is in it. */
  poll(options) {
    return request(this.server, { sid: this.sid }, options);
  }

  post(body) {
    return request(this.server, { sid: this.sid }, { method: 'POST', body });
  }

  /** Polls until there is a packet that is no ping; pings are answered. */
  async packets() {
    return await within('packets', (async () => {
      for (;;) {
        const packets = (await this.poll()).text.split('\u001e');
        if (packets.includes('2')) await this.post('3');
        const others = packets.filter((packet) => packet !== '2');
        if (others.length > 0) return others;
      }
    })());
  }

  /** The WebSocket that this session is to go on with. */
  upgrade() {
    return new Line(this.server, { sid: this.sid });
  }
}

/** A WebSocket, and what came over it. */
export class Line {
  #came = [];
  #waiting = [];
  #closed;

  constructor(server, params = {}) {
    const url = server.url.replace('http', 'ws');
    this.ws = new WebSocket(`${url}/socket.io/?${query({ EIO: 4, transport: 'websocket', ...params })}`);
    this.ws.on('message', (data, isBinary) => this.#add(isBinary ? data : data.toString()));
    // A refusal is an error and then a close.
    this.ws.on('error', () => {});
    this.#closed = new Promise((resolve) => this.ws.once('close', (code) => {
      resolve(code);
      this.#add(undefined);
    }));
    this.opened = new Promise((resolve) => this.ws.once('open', resolve));
  }

  #add(packet) {
    this.#came.push(packet);
    this.#waiting.shift()?.();
  }

  send(...packets) {
    for (const packet of packets) this.ws.send(packet);
  }

  /** The next packet, also a ping; `undefined` at the end. */
  async next() {
    return await within('a packet', (async () => {
      while (this.#came.length === 0) await new Promise((resolve) => this.#waiting.push(resolve));
      return this.#came.shift();
    })());
  }

  /** The next packet that is no ping; pings are answered. */
  async packet() {
    for (;;) {
      const packet = await this.next();
      if (packet !== '2') return packet;
      this.send('3');
    }
  }

  /** Waits for the server to close it; resolves to the code. */
  async closed() {
    return await within('the end of a WebSocket', this.#closed);
  }

  close() {
    this.ws.terminate();
  }
}

/** A WebSocket on which the session has begun: the line and its handshake. */
export async function openLine(server) {
  const line = new Line(server);
  line.handshake = JSON.parse((await line.next()).slice(1));
  return line;
}

/** The same with a login. */
export async function loggedIn(server, token) {
  const line = await openLine(server);
  line.send(`40${JSON.stringify({ token })}`);
  line.login = await line.packet();
  return line;
}
