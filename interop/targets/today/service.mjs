// The chat as it runs today, in Node.js: rooms and channels that are known beforehand, users by a signed token from `auth`
// or the header `access-token`, channels of a workspace, the sender told by an event of its own, and confirmations that are
// what spreading a Mongoose document gives: the saved message is under `_doc`.
//
// It lets those into rooms and channels whom its database has as members, and nobody else.
//
// MONGODB (with the database), SECRET. FAULT=forgetful: some are confirmed unsaved.

import { createServer } from 'node:http';

import jwt from 'jsonwebtoken';
import { MongoClient, ObjectId } from 'mongodb';
import { Server } from 'socket.io';

const { MONGODB, SECRET, FAULT } = process.env;
const WORKSPACE = '64b000000000000000000001';

const mongo = await new MongoClient(MONGODB).connect();
const http = createServer((_, response) => response.writeHead(404).end());
const io = new Server(http);
let saves = 0;

const kinds = {
  room: {
    id: 'roomId',
    join: 'joinRoom',
    send: 'roomMessage',
    received: 'roomMessageRecieved',
    events: 'roomMessage',
    known: mongo.db().collection('rooms'),
    collection: mongo.db().collection('message2'),
  },
  channel: {
    id: 'channelId',
    join: 'JoinChannel',
    send: 'NewMessage',
    received: 'NewMessageReceived',
    events: 'channelMessage',
    known: mongo.db().collection('channels'),
    collection: mongo.db().collection('messages'),
  },
};

io.use((socket, next) => {
  const token = socket.handshake.auth.token || socket.handshake.headers['access-token'];
  if (!token) return next(new Error('Authentication error: Token is required'));
  try {
    socket.data.user = jwt.verify(token, SECRET).id;
    next();
  } catch {
    next(new Error('Invalid auth token provided'));
  }
});

io.on('connection', (socket) => {
  for (const [name, kind] of Object.entries(kinds)) {
    socket.on(kind.join, async (payload, answer) => {
      const id = payload[kind.id];
      const membership = { _id: new ObjectId(id), members: new ObjectId(socket.data.user) };
      const known = await kind.known.countDocuments(membership, { limit: 1 });
      if (!known) return answer({ success: false, message: `not a member of the ${name} ${id}` });
      await socket.join(id);
      answer({ success: true, message: `Successfully joined the ${name}`, data: { [kind.id]: id } });
    });
    socket.on(kind.send, (payload, answer) => send(socket, name, kind, payload, answer));
  }
});

async function send(socket, name, kind, payload, answer) {
  const id = payload[kind.id];
  const user = socket.data.user;
  const refuse = (message) => answer({ success: false, message });
  if (!socket.rooms.has(id)) return refuse(`Join the ${name} before sending`);
  if (payload.senderId !== user) return refuse('Invalid senderId');
  if (name === 'channel' && payload.workspaceId !== WORKSPACE) return refuse('workspaceId is required');
  const now = new Date();
  const place = name === 'channel' ? { channelId: id, workspaceId: WORKSPACE } : { roomId: id };
  const content = { body: payload.body, image: null, imageKey: null, status: 'unread', ...place };
  const tempId = `temp_${now.getTime()}_${Math.random().toString(36).slice(2, 11)}`;
  const times = { createdAt: now, updatedAt: now };
  const senderId = { _id: user, username: `user ${user.slice(-4)}` };
  const optimistic = { _id: tempId, ...content, senderId, ...times, isOptimistic: true };
  socket.to(id).emit(kind.received, optimistic);
  socket.emit(`${kind.events}Sent`, optimistic);

  const stored = { _id: new ObjectId(), ...content, senderId: new ObjectId(user), ...times };
  for (const key of Object.keys(place)) stored[key] = new ObjectId(place[key]);
  saves += 1;
  if (FAULT !== 'forgetful' || saves % 10 !== 0) await kind.collection.insertOne(stored);
  const spread = { $__: { selected: {} }, $isNew: false, _doc: stored };
  io.to(id).emit(`${kind.events}Confirmed`, { ...spread, tempId, isConfirmed: true });
  const timing = { emitTime: 1, dbTime: Date.now() - now.getTime() };
  answer({ success: true, message: 'Successfully created message', data: stored, timing });
}

http.listen(0, '127.0.0.1', () => console.log(`listening on ${http.address().port}`));
