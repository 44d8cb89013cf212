// The real server as a child process, on a free port and with a database of its own in the MongoDB of this run.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { createInterface } from 'node:readline';

import { MongoClient } from 'mongodb';

const required = (name) => {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: start these tests with interop/run`);
  return value;
};

/**
 * Starts the server with these arguments; `store` may be another address of the same MongoDB (see `CutLine`), or
 * `memory`.
 */
export async function startServer(args = [], { store = required('INTEROP_MONGODB') } = {}) {
  const database = `interop_${randomBytes(6).toString('hex')}`;
  const all = ['--port', '0', '--store', store, '--database', database, '--log', 'error', ...args];
  const child = spawn(required('INTEROP_SERVER'), all, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const [first] = await Promise.race([
    once(lines, 'line'),
    exited.then(([code, signal]) => assert.fail(`the server ended: ${code ?? signal}`)),
  ]);
  const url = /^listening on (http:\/\/\S+)$/.exec(first)?.[1];
  assert.ok(url, `the server's first line: ${first}`);
  return new Server(child, exited, url, database);
}

class Server {
  #child;
  #exited;
  #database;
  #mongo;

  constructor(child, exited, url, database) {
    this.#child = child;
    this.#exited = exited;
    this.#database = database;
    this.url = url;
  }

  get port() {
    return new URL(this.url).port;
  }

  /** The value of a metric without labels. */
  async metric(name) {
    const { text } = await this.get('/metrics');
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  /** What is stored under `_id` in a collection, read with MongoDB's own driver. */
  async stored(collection, filter) {
    this.#mongo ??= new MongoClient(required('INTEROP_MONGODB'));
    return await this.#mongo.db(this.#database).collection(collection).find(filter).toArray();
  }

  async get(path) {
    // No connection of ours stays among those that the server counts.
    const response = await fetch(this.url + path, { headers: { connection: 'close' } });
    const text = await response.text();
    return { status: response.status, text, json: () => JSON.parse(text) };
  }

  async stats() {
    return (await this.get('/debug/sockets')).json().stats;
  }

  /** Tells the server to stop, as an operator would, and resolves to its exit status; what it stored stays. */
  async terminate() {
    this.#child.kill('SIGTERM');
    const [code, signal] = await this.#exited;
    return code ?? signal;
  }

  /** Deletes what it stored. */
  async forget() {
    await this.stored('messages', { _id: null });
    await this.#mongo.db(this.#database).dropDatabase();
    await this.#mongo.close();
    this.#mongo = undefined;
  }

  /** Both: the end of most tests. */
  async stop() {
    const status = await this.terminate();
    await this.forget();
    return status;
  }
}

/** A TCP line to MongoDB that can be cut and mended, so that a save can fail while MongoDB is up and can be read. */
export class CutLine {
  #sockets = new Set();
  #server;
  #cut = false;

  static async open() {
    const { hostname, port } = new URL(required('INTEROP_MONGODB'));
    const line = new CutLine();
    line.#server = net.createServer((near) => {
      if (line.#cut) return near.destroy();
      const far = net.connect(port, hostname);
      for (const [one, another] of [[near, far], [far, near]]) {
        line.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          line.#sockets.delete(one);
          another.destroy();
        });
        one.pipe(another);
      }
    });
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    const options = 'serverSelectionTimeoutMS=300&connectTimeoutMS=300';
    line.uri = `mongodb://127.0.0.1:${line.#server.address().port}/?${options}`;
    return line;
  }

  cut() {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#cut = false;
  }

  async close() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
