// A plain chat on socket.io 4, as its documentation would have it: rooms of the library, one emit to a room, one insert for
// each message. It is there to be measured beside the server of this project (`loadgen ladder`), and nothing is tuned.
//
// PORT: where it listens. DELIVERY: `optimistic` (delivered at once, then confirmed) or `persist-first` (saved, then
// delivered). The store is named in store.mjs, and what joins several of these servers in adapter.mjs.

import { createServer } from 'node:http';

import { Server } from 'socket.io';

import { dialects } from '../../support/vocabulary.mjs';
import { adapterOf } from './adapter.mjs';
import { openStore } from './store.mjs';
import { versions } from './versions.mjs';

const { PORT, DELIVERY = 'optimistic' } = process.env;
if (!['optimistic', 'persist-first'].includes(DELIVERY)) {
  throw new Error(`DELIVERY=${DELIVERY}: expected optimistic or persist-first`);
}

const kinds = [dialects.readme.room, dialects.readme.channel];
const store = await openStore(process.env);
const http = createServer(pages);
const io = new Server(http, { adapter: adapterOf(process.env) });

io.use((socket, next) => {
  const token = socket.handshake.auth.token ?? socket.handshake.headers['access-token'];
  if (!token) return next(new Error('Authentication error: Token is required'));
  socket.data.user = String(token);
  next();
});

io.on('connection', (socket) => {
  for (const kind of kinds) {
    socket.on(kind.join, (payload, answer) => join(socket, kind, payload, answer));
    socket.on(kind.leave, (payload, answer) => leave(socket, kind, payload, answer));
    socket.on(kind.send, (payload, answer) => send(socket, kind, payload, answer));
  }
});

async function join(socket, kind, payload, answer = () => {}) {
  const id = payload?.[kind.id];
  if (!id) return answer({ success: false, message: `${kind.id} is required` });
  const place = `${kind.kind}:${id}`;
  const alreadyJoined = socket.rooms.has(place);
  await socket.join(place);
  const connectedUsers = io.sockets.adapter.rooms.get(place).size;
  const message = alreadyJoined ? `Already in the ${kind.kind}` : `Successfully joined the ${kind.kind}`;
  answer({ success: true, message, data: { [kind.id]: id, connectedUsers, alreadyJoined } });
}

async function leave(socket, kind, payload, answer = () => {}) {
  const id = payload?.[kind.id];
  if (!id) return answer({ success: false, message: `${kind.id} is required` });
  await socket.leave(`${kind.kind}:${id}`);
  answer({ success: true, message: `Successfully left the ${kind.kind}`, data: { [kind.id]: id } });
}

async function send(socket, kind, payload, answer = () => {}) {
  const received = performance.now();
  const id = payload?.[kind.id];
  const place = `${kind.kind}:${id}`;
  const refuse = (message) => answer({ success: false, message });
  if (!id) return refuse(`${kind.id} is required`);
  if (typeof payload.body !== 'string' || payload.body === '') return refuse('body is required');
  if (!socket.rooms.has(place)) return refuse(`Join the ${kind.kind} before sending`);
  const message = {
    id,
    sender: socket.data.user,
    body: payload.body,
    image: payload.image ?? null,
    workspaceId: payload.workspaceId,
    clientMsgId: payload.clientMsgId,
    at: new Date(),
  };
  const deliver = DELIVERY === 'optimistic' ? deliverAtOnce : deliverSaved;
  await deliver(socket, kind, place, message, { received, answer });
}

/** Delivered under a temporary id, then saved, then confirmed or taken back. */
async function deliverAtOnce(socket, kind, place, message, { received, answer }) {
  const tempId = `temp_${message.at.getTime()}_${Math.random().toString(36).slice(2, 11)}`;
  io.to(place).emit(kind.received, { _id: tempId, ...shown(kind, message), isOptimistic: true });
  const emitTime = performance.now() - received;
  try {
    const _id = await store.save(kind, message);
    const confirmed = { _id, ...shown(kind, message), tempId, isConfirmed: true };
    io.to(place).emit(kind.confirmed, confirmed);
    answer(created(kind, confirmed, { emitTime, dbTime: performance.now() - received }));
  } catch (error) {
    const { clientMsgId } = message;
    io.to(place).emit(kind.failed, { tempId, error: error.message, clientMsgId });
    answer({ success: false, message: 'Failed to save message', error: error.message });
  }
}

/** Saved and read back, then delivered: after whatever the same sender has sent before, however long that took to save. */
async function deliverSaved(socket, kind, place, message, { received, answer }) {
  const before = socket.data.turn;
  let done;
  socket.data.turn = new Promise((resolve) => (done = resolve));
  try {
    const _id = await store.save(kind, message);
    await store.read(kind, _id);
    const dbTime = performance.now() - received;
    await before;
    const saved = { _id, ...shown(kind, message) };
    io.to(place).emit(kind.received, saved);
    answer(created(kind, saved, { emitTime: performance.now() - received, dbTime }));
  } catch (error) {
    answer({ success: false, message: 'Failed to save message', error: error.message });
  } finally {
    done();
  }
}

/** The fields that every form of a message has. */
function shown(kind, { id, sender, body, image, workspaceId, clientMsgId, at }) {
  return {
    body,
    image,
    imageKey: null,
    status: 'unread',
    [kind.id]: id,
    workspaceId,
    senderId: { _id: sender, username: sender, email: null, avatar: null },
    createdAt: at,
    updatedAt: at,
    clientMsgId,
  };
}

const created = (kind, data, timing) => ({ success: true, message: kind.created, data, timing });

/** What the load generator asks for beside the chat: which versions these are, and what a simulated store has. */
function pages(request, response) {
  const [path, query] = request.url.split('?');
  if (path === '/health') {
    response.setHeader('content-type', 'application/json');
    const health = { status: 'ok', version: versions, store: { durability: store.durability } };
    response.end(JSON.stringify(health));
  } else if (path === '/debug/messages' && store.list) {
    response.setHeader('content-type', 'application/x-ndjson');
    response.end(Buffer.concat([...store.list(new URLSearchParams(query).get('body') ?? '')]));
  } else {
    response.writeHead(404).end();
  }
}

http.listen(Number(PORT ?? 3000), '127.0.0.1', () => console.log(`listening on ${http.address().port}`));
