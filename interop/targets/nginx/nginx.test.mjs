// socket.io behind nginx: TLS, a path, a namespace, logins by cookie, two workers with sticky sessions and Redis.

import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { TRANSPORTS, finds, folder, freePort, listens, measure, passes, program, serve } from '../measure.mjs';

const here = import.meta.dirname;
const scenario = join(here, 'deployed.toml');

/** A certificate for localhost, signed by an authority of its own; resolves to the authority's. */
async function certificate(at) {
  const openssl = (line) => execFileSync('openssl', line.split(' '), { cwd: at, stdio: 'pipe' });
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';
  await writeFile(join(at, 'names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  openssl(`req -x509 ${key} -days 2 -keyout ca.key -out ca.crt -subj /CN=authority`);
  openssl(`req ${key} -keyout server.key -out server.csr -subj /CN=localhost`);
  openssl('x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt');
  return join(at, 'ca.crt');
}

async function deploy(t, env = {}) {
  const at = await folder(t);
  const ca = await certificate(at);
  const redis = join(at, 'redis');
  program(t, 'redis-server', ['--port', '0', '--unixsocket', redis, '--save', '', '--dir', at]);
  const given = { REDIS: redis, SESSIONS: join(here, 'sessions.csv'), ...env };
  const worker = (number) => serve(t, 'node', [join(here, 'chat.mjs')], { WORKER: `${number}`, ...given });
  const [port, one, two] = await Promise.all([freePort(), worker(0), worker(1)]);
  const ports = { port, one, two };
  const conf = await readFile(join(here, 'nginx.conf'), 'utf8');
  await writeFile(join(at, 'nginx.conf'), conf.replace(/\$\{(\w+)\}/g, (_, name) => ports[name]));
  program(t, 'nginx', ['-p', at, '-c', 'nginx.conf', '-e', 'stderr']);
  await listens(port);
  return { target: `https://localhost:${port}/rooms`, ca };
}

describe('socket.io behind nginx', () => {
  for (const transport of TRANSPORTS) {
    test(`everything comes, over ${transport}`, async (t) => {
      const { target, ca } = await deploy(t);
      passes(t, await measure(t, scenario, target, ['--ca', ca, '--set', `transport=${transport}`]), transport);
    });
  }

  test('workers that do not hear of each other lose what is for users of the other', async (t) => {
    const { target, ca } = await deploy(t, { FAULT: 'apart' });
    finds(await measure(t, scenario, target, ['--ca', ca]), 'lost');
  });
});
