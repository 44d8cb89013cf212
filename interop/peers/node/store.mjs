// Where messages are saved: a MongoDB, or a simulation of one that takes its time and keeps all in memory.
//
// MONGODB_URI and MONGODB_DATABASE name the database; without, it is simulated. SAVE_TIME and READ_TIME are how long the
// simulation takes, in milliseconds, as in 50-200: every time between both is as likely as any other.

import { MongoClient, ObjectId } from 'mongodb';

/** Bytes of lines that are kept together. */
const PART = 1024 * 1024;

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
  const messages = new Kept();
  const pass = ({ low, high }) => new Promise((done) => setTimeout(done, low + Math.random() * (high - low)));
  return {
    durability: 'none: gone with the process',
    async save(kind, message) {
      await pass(saving);
      const _id = new ObjectId();
      const { id, sender, body, at } = message;
      messages.add({ _id, collection: kind.collection, [kind.id]: id, senderId: sender, body, createdAt: at });
      return _id;
    },
    read: () => (reading.high > 0 ? pass(reading) : undefined),
    /** The messages whose body begins so, each as a line of JSON. */
    list: (beginning) => messages.whose(beginning),
  };
}

/**
 * What was saved, as lines of JSON outside of JavaScript's heap. A database keeps it elsewhere: in the heap,
 * collections of garbage would look through it, and take the longer, the more had been saved.
 */
class Kept {
  #parts = [];
  #used = 0;

  add(message) {
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    const part = this.#parts.at(-1);
    if (!part || this.#used + line.length > part.length) {
      this.#parts.push(Buffer.alloc(Math.max(PART, line.length)));
      this.#used = 0;
    }
    this.#used += line.copy(this.#parts.at(-1), this.#used);
  }

  *whose(beginning) {
    // No text within a line has these quotes: there they are escaped.
    const body = Buffer.from(`"body":${JSON.stringify(beginning).slice(0, -1)}`);
    for (const part of this.#parts) {
      for (let at = part.indexOf(body), end; at >= 0; at = part.indexOf(body, end)) {
        end = part.indexOf('\n', at) + 1;
        yield part.subarray(part.lastIndexOf('\n', at) + 1, end);
      }
    }
  }
}
