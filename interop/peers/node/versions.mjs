// What this chat runs on: the versions that a result tells.

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const version = (name) => `${name} ${require(`${name}/package.json`).version}`;

export const versions = [`Node.js ${process.versions.node}`, version('socket.io'), version('mongodb')].join(', ');
