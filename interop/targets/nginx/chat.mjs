// One of the workers of a chat on socket.io: everything in the namespace /rooms, users known by the cookie of their login.
//
// A worker tells its own users at once and those of the other over Redis, so that two members could see two orders. So that
// all see one, a single worker tells everything, and the other has it told.
//
// WORKER (0 or 1), REDIS (a socket's path), SESSIONS (the file of logins). FAULT=apart: the workers do not hear of each other.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';

import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

const { WORKER, REDIS, SESSIONS, FAULT } = process.env;
const apart = FAULT === 'apart';
const logins = new Map(
  readFileSync(SESSIONS, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').reverse()),
);

const http = createServer((_, response) => response.writeHead(404).end());
const io = new Server(http, { path: '/chat/socket.io' });
if (!apart) {
  const publisher = new Redis({ path: REDIS });
  io.adapter(createAdapter(publisher, publisher.duplicate()));
}

const tells = apart || WORKER === '0';
const rooms = io.of('/rooms');
const tell = (said) => rooms.to(said.room).emit('said', said);
rooms.on('tell', (said) => {
  if (tells) tell(said);
});
rooms.use((socket, next) => {
  const session = /(?:^|; *)session=([^;]+)/.exec(socket.handshake.headers.cookie ?? '')?.[1];
  socket.data.user = logins.get(session);
  next(socket.data.user ? undefined : new Error('not logged in'));
});
rooms.on('connection', (socket) => {
  socket.on('enter', async ({ room }, answer) => {
    await socket.join(room);
    answer({ success: true });
  });
  socket.on('say', ({ room, text }, answer) => {
    const said = { id: randomUUID(), room, text, from: socket.data.user };
    if (tells) tell(said);
    else rooms.serverSideEmit('tell', said);
    answer({ success: true });
  });
});

http.listen(0, '127.0.0.1', () => console.log(`listening on ${http.address().port}`));
