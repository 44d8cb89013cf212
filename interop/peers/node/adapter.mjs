// What joins several servers as one chat: a Redis, by the adapter that the documentation of socket.io has for its streams.
//
// REDIS_URL names the Redis, and CHAT what is this chat's own in it; without, there is one server.

import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';

/** The adapter that the environment names; `undefined`, which is the library's own, for one server. */
export function adapterOf({ REDIS_URL, CHAT = 'chat' }) {
  if (!REDIS_URL) return undefined;
  const redis = new Redis(REDIS_URL);
  // It connects again by itself.
  redis.on('error', (error) => console.error(`Redis: ${error.message}`));
  return createAdapter(redis, { streamName: CHAT, channelPrefix: CHAT });
}
