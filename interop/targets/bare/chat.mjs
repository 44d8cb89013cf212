// A chat on `node:net` alone: WebSocket, Engine.IO and Socket.IO by hand, and all that they allow and few servers do.
//
// Who does not answer its pings, or an event that asks for an acknowledgement, is thrown out.
// FAULT=overtaken: some messages come after the next one of the same sender.

import net from 'node:net';

import { BINARY, CLOSE, PING, PONG, TEXT, accept, fragments, frame, reader } from './frames.mjs';

const TWELVE_MIB = 12 << 20;
const LARGEST_ID = 4294967295;
const GREETING = '¡buenos días, "amigos"! 你好 \u2028';
const overtaken = process.env.FAULT === 'overtaken';

const rooms = new Map();
let connections = 0;
let messages = 0;
let held;

/** A text as JSON, every character escaped. */
const escaped = (text) => `"${text.replace(/./gs, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
/** JSON with blanks wherever they may be. */
const blanks = (value) => JSON.stringify(value, null, ' \t').replaceAll('\n', '\r\n ');

/** The same delivery in another legal form each time. */
const FORMS = [
  (c, said) => c.text(`42${JSON.stringify(['said', said])}`),
  (c, said) => c.text(`42[${escaped('said')},${JSON.stringify(said)}]`),
  (c, said) => c.text(`42${blanks(['said', said])}`),
  (c, said) => c.text(`42${JSON.stringify(['said', said, { extra: 1 }, null, 'said', [GREETING]])}`),
  (c, said) => c.write(fragments(TEXT, `42${JSON.stringify(['said', said])}`)),
  (c, said) => c.binary(45, '', ['said', { ...said, thumb: Buffer.from([0, 255]), large: Buffer.alloc(70000) }]),
  (c, said) => c.drips(frame(TEXT, `42${JSON.stringify(['said', said])}`)),
];

class Connection {
  constructor(socket) {
    this.socket = socket;
    this.number = connections++;
    this.open = false;
    this.unanswered = new Set(['ping 1', 'ping 2', 'hello']);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const members of rooms.values()) members.delete(this);
      clearTimeout(this.patience);
    });
    let request = '';
    const upgrade = (bytes) => {
      request += bytes.toString('latin1');
      if (!request.includes('\r\n\r\n')) return;
      socket.off('data', upgrade);
      this.greet(request);
    };
    socket.on('data', upgrade);
  }

  greet(request) {
    const key = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1];
    if (!key || !/^GET \/socket\.io\/\?.*transport=websocket/.test(request)) {
      this.socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      return;
    }
    const read = reader((opcode, payload) => this.heard(opcode, payload));
    this.socket.on('data', read);
    // Everything at once: what a client reads with the headers belongs to the frames already.
    const times = { pingInterval: 25000, pingTimeout: 20000 };
    const open = { sid: `e${this.number}`, upgrades: [], ...times, maxPayload: 1e6, other: [{}] };
    const first = [accept(key, 97), frame(PING, 'ping 1'), fragments(TEXT, `0${blanks(open)}`), frame(PING, 'ping 2')];
    this.write(Buffer.concat(first.map((part) => Buffer.from(part))));
    // Before the client's CONNECT is answered: an Engine.IO ping, a noop.
    this.text('2');
    this.text('6');
    this.unanswered.add('engine ping');
    this.patience = setTimeout(() => this.throwOut(`no answer to ${[...this.unanswered].join(', ')}`), 10000);
  }

  write(bytes) {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  text(text) {
    this.write(frame(TEXT, text));
  }

  /** Byte by byte in the head, then the rest. */
  drips(bytes) {
    for (let n = 0; n < 8; n++) this.write(bytes.subarray(n, n + 1));
    this.write(bytes.subarray(8));
  }

  /** A binary event (45) or acknowledgement (46) of these arguments: each buffer in them is a frame of its own. */
  binary(type, id, args) {
    const attachments = [];
    const json = JSON.stringify(args, function (key, value) {
      // Buffers become objects before they come here.
      if (!Buffer.isBuffer(this[key])) return value;
      return { _placeholder: true, num: attachments.push(this[key]) - 1 };
    });
    this.text(`${type}${attachments.length}-${id}${json}`);
    for (const bytes of attachments) this.write(bytes.length > 1000 ? fragments(BINARY, bytes) : frame(BINARY, bytes));
  }

  throwOut(reason) {
    console.error(`connection ${this.number} is thrown out: ${reason}`);
    this.write(frame(CLOSE, Buffer.concat([Buffer.from([0x03, 0xf0]), Buffer.from(reason)])));
    this.socket.end();
  }

  answered(what) {
    this.unanswered.delete(what);
    if (this.unanswered.size === 0) clearTimeout(this.patience);
  }

  heard(opcode, payload) {
    if (opcode === PONG) return this.answered(payload.toString());
    if (opcode === PING) return this.write(frame(PONG, payload));
    if (opcode === CLOSE) return this.socket.end(frame(CLOSE, payload));
    if (opcode !== TEXT) return this.throwOut(`opcode ${opcode}`);
    const packet = payload.toString();
    if (packet === '3') return this.answered('engine ping');
    if (packet === '2') return this.text('3');
    if (packet.startsWith('40')) return this.connected();
    if (packet === `43${LARGEST_ID}[]`) return this.answered('hello');
    const [, id, json] = /^42(\d*)(\[.*)$/s.exec(packet) ?? [];
    if (json) return this.event(JSON.parse(json), id);
    if (packet !== '41' && packet !== '1') this.throwOut(`unexpected ${packet.slice(0, 100)}`);
  }

  connected() {
    this.text(`40${blanks({ sid: `s${this.number}`, pid: 'p' })}`);
    this.text(`42${LARGEST_ID}${JSON.stringify(['hello', { again: true }])}`);
    this.text('40/news,{"sid":"n"}');
    this.text(`42/news,7${JSON.stringify(['headline', { said: ['said'] }])}`);
    this.text('41/news,');
    this.text(`42${JSON.stringify([GREETING, '42["said",{}]'])}`);
    this.text('42["nothing"]');
    this.binary(45, '', ['avatar', Buffer.from([1, 2, 3, 4])]);
    // One of many megabytes would be heavy for all.
    const size = this.number === 0 ? TWELVE_MIB : 100000;
    this.write(fragments(TEXT, `42${JSON.stringify(['history', 'h'.repeat(size)])}`));
  }

  event([name, payload], id) {
    if (name === 'enter') {
      if (!rooms.has(payload.room)) rooms.set(payload.room, new Set());
      rooms.get(payload.room).add(this);
      this.binary(46, id, [{ success: true, sig: Buffer.from([9]) }]);
    } else if (name === 'say') {
      const said = { id: `m${messages++}`, room: payload.room, text: payload.text };
      this.say(said);
      this.text(`43${id}${blanks([{ success: true }])}`);
    }
  }

  say(said) {
    if (overtaken && held?.from === this && held.said.room === said.room) {
      deliver(said);
      deliver(held.said);
      held = undefined;
    } else if (overtaken && !held) {
      held = { from: this, said };
      setTimeout(() => {
        if (held?.said === said) {
          deliver(said);
          held = undefined;
        }
      }, 1500);
    } else {
      deliver(said);
    }
  }
}

function deliver(said) {
  const form = FORMS[Number(said.id.slice(1)) % FORMS.length];
  for (const member of rooms.get(said.room) ?? []) form(member, said);
}

const server = net.createServer((socket) => new Connection(socket));
server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
