// A page in headless Chromium that does the optimistic UI with the official client.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { launching } from '../support/chromium.mjs';
import { transports, unique } from '../support/client.mjs';
import { CutLine, startServer } from '../support/server.mjs';
import { dialects } from '../support/vocabulary.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const files = {
  '/': [path.join(here, 'page.html'), 'text/html'],
  '/socket.io.esm.min.js': [
    path.join(here, '../node_modules/socket.io-client/dist/socket.io.esm.min.js'),
    'text/javascript',
  ],
};

/** Serves the page from another origin than the server's, as front ends are. */
async function servePage() {
  const server = http.createServer(async (request, response) => {
    const [file, type] = files[new URL(request.url, 'http://x').pathname] ?? [];
    response.writeHead(file ? 200 : 404, { 'content-type': type ?? 'text/plain' });
    response.end(file ? await readFile(file) : '');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

let pages;
let origin;
let profile;
let browser;

before(async () => {
  pages = await servePage();
  origin = `http://127.0.0.1:${pages.address().port}`;
  profile = await mkdtemp(path.join(tmpdir(), 'interop-chromium-'));
  browser = await chromium.launchPersistentContext(profile, launching);
});

after(async () => {
  await browser?.close();
  pages?.close();
  pages?.closeAllConnections();
  await rm(profile, { recursive: true, force: true, maxRetries: 5 });
});

/** A tab with the page, as a user in a conversation; it fails on anything unexpected in the console. */
async function open(server, names, { id, user = unique('user'), transport = ['websocket'] }) {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  const query = new URLSearchParams({
    server: server.url,
    user,
    id,
    names: JSON.stringify(names),
    transports: JSON.stringify(transport),
  });
  await page.goto(`${origin}/?${query}`);
  return {
    page,
    user,
    complaints,
    status: async (text) => await page.getByText(text, { exact: true }).waitFor(),
    send: async (body) => {
      await page.fill('#body', body);
      await page.click('button');
    },
    shown: (state, text) => page.locator(`li[data-state=${state}]`, { hasText: text }),
  };
}

for (const [dialect, vocabulary] of Object.entries(dialects)) {
  describe(`dialect ${dialect}`, () => {
    let server;
    before(async () => {
      server = await startServer(['--dialect', dialect]);
    });
    after(async () => {
      assert.equal(await server.stop(), 0);
    });

    for (const names of [vocabulary.room, vocabulary.channel]) {
      for (const [how, { transports: transport }] of Object.entries(transports)) {
        test(`${names.kind} over ${how}: shown at once, and its id replaced when it is saved`, async () => {
          const id = unique(names.kind);
          const alice = await open(server, names, { id, transport });
          await alice.status('joined with 1');
          const bob = await open(server, names, { id, transport });
          await bob.status('joined with 2');
          await alice.send('Hello <b>Bob</b> 👋');
          await bob.send('Hello Alice');
          for (const tab of [alice, bob]) {
            for (const text of [`${alice.user}: Hello <b>Bob</b> 👋`, `${bob.user}: Hello Alice`]) {
              await tab.shown('confirmed', text).waitFor();
            }
            assert.equal(await tab.page.locator('li').count(), 2, 'each is shown once');
          }
          const ids = await Promise.all(
            [alice, bob].map((tab) => tab.page.locator('li').evaluateAll((items) => items.map((li) => li.dataset.id))),
          );
          assert.deepEqual(ids[0], ids[1], 'both see one order');
          const stored = (await server.stored(names.collection, { [names.id]: id })).map(({ _id }) => _id.toHexString());
          assert.deepEqual([...ids[0]].sort(), stored.sort());
          for (const tab of [alice, bob]) {
            assert.deepEqual(tab.complaints, []);
            await tab.page.close();
          }
        });
      }
    }
  });
}

for (const kind of ['room', 'channel']) {
  test(`${kind}: shown at once while the database is away, and removed with the reason when it stays away`, async () => {
    const names = dialects.readme[kind];
    const line = await CutLine.open();
    const server = await startServer(['--save-deadline', '3s'], { store: line.uri });
    const id = unique(kind);
    const alice = await open(server, names, { id });
    await alice.status('joined with 1');
    await alice.send('saved');
    await alice.shown('confirmed', 'saved').waitFor();
    line.cut();
    await alice.send('in vain');
    await alice.shown('optimistic', 'in vain').waitFor();
    await alice.page.getByText('Failed to save message', { exact: true }).waitFor();
    assert.equal(await alice.page.locator('li').count(), 1);
    line.mend();
    assert.deepEqual(alice.complaints, []);
    await alice.page.close();
    assert.equal(await server.stop(), 0);
    await line.close();
  });
}

test('pages of the listed origin are let in over every transport, and no others', async () => {
  const names = dialects.readme.room;
  const welcoming = await startServer(['--origin', origin]);
  const wary = await startServer(['--origin', 'https://chat.example']);
  for (const { transports: transport } of Object.values(transports)) {
    const id = unique('room');
    const inside = await open(welcoming, names, { id, transport });
    await inside.status('joined with 1');
    await inside.page.close();
    const outside = await open(wary, names, { id, transport });
    await outside.page.getByText(/^refused: /).waitFor();
    await outside.page.close();
  }
  assert.equal(await welcoming.stop(), 0);
  assert.equal(await wary.stop(), 0);
});
