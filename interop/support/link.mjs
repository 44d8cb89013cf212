// A slow TCP line between a client and the server.

import { once } from 'node:events';
import net from 'node:net';

/** How often a throttled line lets something through, in milliseconds. */
const DRIP_EVERY = 20;

export class SlowLink {
  /** Where clients connect, in place of the server's `url`. */
  url;
  #server;
  #drop = Infinity;
  #holds = Infinity;
  #upgrades = Promise.resolve();
  #sockets = new Set();

  /** Opens a line to the server. Every piece of data arrives `delay` ms later. */
  static async open(server, { delay = 0 } = {}) {
    const link = new SlowLink();
    link.#server = net.createServer({ noDelay: true }, (near) => link.#carry(near, server.port, delay));
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    link.url = `http://127.0.0.1:${link.#server.address().port}`;
    return link;
  }

  /**
   * From now on, so many bytes a second come from the server at most. The line holds `holds` bytes, and more wait in the
   * kernel, and then in the server: they are lost if the server ends before they are read.
   */
  throttle(rate, { holds = Infinity } = {}) {
    this.#holds = holds;
    this.#drop = Math.ceil((rate * DRIP_EVERY) / 1000);
  }

  /** Holds what comes from clients on connections that become WebSockets; the answer lets it through. */
  holdUpgrades() {
    let release;
    this.#upgrades = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  async close() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #carry(near, port, delay) {
    const far = net.connect({ port, host: '127.0.0.1', noDelay: true });
    const pass = (to, data) => setTimeout(() => to.writable && to.write(data), delay);
    let held = Promise.resolve();
    near.on('data', (data) => {
      if (data.includes('transport=websocket')) held = this.#upgrades;
      held.then(() => pass(far, data));
    });
    const end = () => setTimeout(() => near.end(), delay);
    far.on('data', (data) => {
      pass(near, data);
      if (this.#drop < Infinity) this.#drip(far, (drop) => pass(near, drop), end);
    });
    far.on('close', end);
    near.on('close', () => setTimeout(() => far.destroy(), delay));
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
    }
  }

  /**
   * From now on, what comes is passed on drop by drop, and then the end. It waits here and not in the socket, which throws
   * away what it holds when the server resets the connection.
   */
  #drip(far, pass, end) {
    let held = Buffer.alloc(0);
    far.removeAllListeners('data');
    far.removeListener('close', end);
    far.on('data', (data) => {
      held = Buffer.concat([held, data]);
      if (held.length >= this.#holds) far.pause();
    });
    const timer = setInterval(() => {
      if (held.length > 0) pass(held.subarray(0, this.#drop));
      held = held.subarray(this.#drop);
      if (held.length < this.#holds) far.resume();
      if (held.length > 0 || !far.closed) return;
      clearInterval(timer);
      end();
    }, DRIP_EVERY);
  }
}
