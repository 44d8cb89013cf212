// Where messages are saved: a MongoDB, or a simulation of one that takes its time and keeps all in memory.
//
// MONGODB_URI and MONGODB_DATABASE name the database; without, it is simulated. SAVE_TIME and READ_TIME are how long the
// simulation takes, in milliseconds, as in 50-200: every time between both is as likely as any other.

import { MongoClient, ObjectId } from 'mongodb';

/** The store that the environment names. */
export async function openStore({ MONGODB_URI, MONGODB_DATABASE, SAVE_TIME = '50-200', READ_TIME = '0-0' }) {
  if (!MONGODB_URI) return simulation(times(SAVE_TIME), times(READ_TIME));
  const client = await new MongoClient(MONGODB_URI).connect();
  const database = client.db(MONGODB_DATABASE);
  // As durable as the server of this project has them.
  const writeConcern = { w: 'majority', journal: true };
  return {
    durability: 'w: majority, j: true',
    async save(kind, message) {
      const document = stored(kind, message);
      await database.collection(kind.collection).insertOne(document, { writeConcern });
      return document._id;
    },
    read: (kind, _id) => database.collection(kind.collection).findOne({ _id }),
  };
}

/** Ids of 24 hexadecimal digits are ObjectIds; others are texts. */
const identified = (id) => (/^[0-9a-f]{24}$/i.test(id) ? new ObjectId(id) : id);

function stored(kind, { id, sender, body, workspaceId, clientMsgId, image, at }) {
  const document = {
    _id: new ObjectId(),
    [kind.id]: identified(id),
    senderId: identified(sender),
    body,
    status: 'unread',
    createdAt: at,
    updatedAt: at,
  };
  if (workspaceId) document.workspaceId = identified(workspaceId);
  if (image) document.image = image;
  if (clientMsgId) document.clientMsgId = clientMsgId;
  return document;
}

function times(text) {
  const [low, high = low] = text.split('-').map(Number);
  if (!(low >= 0 && high >= low)) throw new Error(`${text} is no range of milliseconds: expected 50-200`);
  return { low, high };
}

function simulation(saving, reading) {
  const messages = [];
  const pass = ({ low, high }) => new Promise((done) => setTimeout(done, low + Math.random() * (high - low)));
  return {
    durability: 'none: gone with the process',
    async save(kind, message) {
      await pass(saving);
      const _id = new ObjectId();
      const { sender, body, at } = message;
      messages.push({ _id, collection: kind.collection, senderId: sender, body, createdAt: at });
      return _id;
    },
    read: () => (reading.high > 0 ? pass(reading) : undefined),
    list: () => messages,
  };
}
