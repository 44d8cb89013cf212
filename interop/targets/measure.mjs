// Starts servers and measures them with `loadgen run`, as whoever has such a server would.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Every way in which the native client connects. */
export const TRANSPORTS = ['websocket', 'polling', 'upgraded'];

const LOADGEN = process.env.LOADGEN;
assert.ok(LOADGEN, 'LOADGEN is not set: start these tests with interop/targets/run');

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const undone = new WeakMap();

/** What a test does in its end, the last first: a folder is removed after the program in it has stopped. */
function atEnd(t, action) {
  if (!undone.has(t)) {
    undone.set(t, []);
    t.after(async () => {
      for (const each of undone.get(t).reverse()) await each();
    });
  }
  undone.get(t).push(action);
}

/** A folder that is removed in the end. */
export async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), 'targets-'));
  atEnd(t, () => rm(path, { recursive: true, force: true }));
  return path;
}

/** A port of 127.0.0.1 on which nobody listens now. */
export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a program that is stopped in the end; what it says of mistakes is shown. */
export function program(t, command, args, env = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  running.add(child);
  atEnd(t, async () => {
    child.kill('SIGTERM');
    await ended;
    running.delete(child);
  });
  return { child, ended };
}

/** Starts a server that prints `listening on PORT` as its first line, and resolves to the port. */
export async function serve(t, command, args, env) {
  const { child, ended } = program(t, command, args, env);
  const lines = createInterface({ input: child.stdout });
  const [first] = await Promise.race([
    once(lines, 'line'),
    ended.then(([code, signal]) => assert.fail(`${command} ${args.join(' ')} ended: ${code ?? signal}`)),
  ]);
  const port = /^listening on (\d+)$/.exec(first)?.[1];
  assert.ok(port, `the first line of ${args.join(' ')}: ${first}`);
  return Number(port);
}

/** Waits until something listens at this port, for at most ten seconds. */
export async function listens(port) {
  for (let attempt = 1; ; attempt++) {
    const socket = net.connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (attempt === 100) throw new Error(`nothing listens at port ${port}`, { cause: error });
    } finally {
      socket.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs a scenario against a target and resolves to how it ended: exit code, what was printed, the first run. */
export async function measure(t, scenario, target, args = []) {
  const out = await folder(t);
  // The relay would say what the machine takes, which is no question here.
  const all = ['run', scenario, '--target', target, '--floor', 'off', '--no-machine-check', '--out', out, ...args];
  const child = spawn(LOADGEN, all, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  const [code] = await once(child, 'close');
  const name = /^name = "(.+)"$/m.exec(await readFile(scenario, 'utf8'))[1];
  const result = await readFile(join(out, `${name}.json`), 'utf8').then(JSON.parse, () => undefined);
  return { code, said, run: result?.runs[0] };
}

/** Holds that everything was sent and came once, over this transport, and tells how long connecting took. */
export function passes(t, { code, said, run }, transport) {
  assert.equal(code, 0, said);
  assert.equal(run.judgement.verdict, 'PASS', said);
  const { scheduled, expected, ...counts } = run.totals;
  assert.ok(scheduled >= 50 && expected >= scheduled, said);
  const none = { dropped: 0, lost: 0, duplicated: 0, echo_missing: 0, failed: 0 };
  const exact = { ...none, sent: scheduled, delivered: expected, acknowledged: scheduled };
  for (const [name, count] of Object.entries(exact)) assert.equal(counts[name] ?? 0, count, `${name}: ${said}`);
  assert.deepEqual(run.findings, [], said);
  assert.equal(run.generator.transport, transport);
  const connect = run.metrics.find(({ metric }) => metric === 'connect');
  assert.equal(connect.n, run.generator.connections, said);
  const milliseconds = (time) => (time / 1e6).toFixed(1);
  const median = connect.percentiles.find(({ percentile }) => percentile === 50).value;
  t.diagnostic(
    `${transport}: ${counts.delivered} of ${expected} deliveries; ` +
      `${connect.n} connects, p50 ${milliseconds(median)} ms, max ${milliseconds(connect.max)} ms`,
  );
}

/** Holds that the server is told of, as one that breaks its promises in these ways and no other. */
export function finds({ code, said, run }, ...checks) {
  assert.equal(code, 1, said);
  assert.equal(run.judgement.verdict, 'FAIL', said);
  assert.deepEqual(run.findings.map(({ check }) => check).sort(), checks.sort(), said);
}
