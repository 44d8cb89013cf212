// RFC 6455 by hand, as far as a server needs it: frames written whole, in fragments or in drips, and frames read.

import { createHash } from 'node:crypto';

export const [CONTINUED, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];

/** The answer to an upgrade, with as many headers as somebody's proxies may add. */
export function accept(key, headers) {
  const answer = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'uPgRaDe: WebSocket', 'connection: keep-alive, Upgrade'];
  for (let n = 1; n <= headers; n++) lines.push(`x-filler-${n}: ${'v'.repeat(n % 40)}`);
  return [...lines, `sec-websocket-accept: ${answer}`, '', ''].join('\r\n');
}

/** One frame; `more` where others of the same message follow. */
export function frame(opcode, payload, more = false) {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(10);
  head[0] = opcode | (more ? 0 : 0x80);
  if (body.length < 126) {
    head[1] = body.length;
    return Buffer.concat([head.subarray(0, 2), body]);
  }
  if (body.length < 65536) {
    head[1] = 126;
    head.writeUInt16BE(body.length, 2);
    return Buffer.concat([head.subarray(0, 4), body]);
  }
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([head, body]);
}

/** A message in three frames, cut also inside of characters, an empty one and a ping among them. */
export function fragments(opcode, payload) {
  const body = Buffer.from(payload);
  const [first, second] = [Math.floor(body.length / 3), Math.floor((2 * body.length) / 3)];
  return Buffer.concat([
    frame(opcode, body.subarray(0, first), true),
    frame(PING, 'in between'),
    frame(CONTINUED, body.subarray(first, second), true),
    frame(CONTINUED, '', true),
    frame(PING, ''),
    frame(CONTINUED, body.subarray(second)),
  ]);
}

/** Reads the frames of a client, which are masked and, of this client, whole; calls `heard(opcode, payload)`. */
export function reader(heard) {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (;;) {
      if (rest.length < 2) return;
      let length = rest[1] & 0x7f;
      let at = 2;
      if (length === 126) {
        if (rest.length < 4) return;
        length = rest.readUInt16BE(2);
        at = 4;
      } else if (length === 127) {
        if (rest.length < 10) return;
        length = Number(rest.readBigUInt64BE(2));
        at = 10;
      }
      if (rest.length < at + 4 + length) return;
      if (!(rest[1] & 0x80)) throw new Error('a client masks its frames');
      const mask = rest.subarray(at, at + 4);
      const payload = Buffer.from(rest.subarray(at + 4, at + 4 + length));
      for (let n = 0; n < length; n++) payload[n] ^= mask[n % 4];
      const opcode = rest[0] & 0x0f;
      rest = rest.subarray(at + 4 + length);
      heard(opcode, payload);
    }
  };
}
