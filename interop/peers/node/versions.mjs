// What this chat runs on: the versions that a result tells.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const version = (name) => `${name} ${require(`${name}/package.json`).version}`;

const adapters = process.env.REDIS_URL ? ['@socket.io/redis-streams-adapter', 'ioredis'] : [];
const libraries = ['socket.io', 'mongodb', ...adapters].map(version);

export const versions = [`Node.js ${process.versions.node}`, ...libraries].join(', ');
