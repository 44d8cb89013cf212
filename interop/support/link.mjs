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

  /** From now on, so many bytes a second come from the server at most. */
  throttle(rate) {
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
    far.on('data', (data) => {
      pass(near, data);
      if (this.#drop < Infinity) this.#drip(far, (drop) => pass(near, drop));
    });
    for (const [one, another] of [[near, far], [far, near]]) {
      this.#sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        setTimeout(() => another.destroy(), delay);
      });
    }
  }

  #drip(far, pass) {
    far.removeAllListeners('data');
    far.pause();
    const timer = setInterval(() => {
      const drop = far.read(Math.min(this.#drop, far.readableLength));
      if (drop) pass(drop);
    }, DRIP_EVERY);
    far.on('close', () => clearInterval(timer));
  }
}
