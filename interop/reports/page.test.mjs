// The pages in headless Chromium: no script errors, no network, no label that is cut, on top of another or on a curve, no
// table that is cut, in light and dark, on a wide screen, on a phone and on paper. REPORT_PAGES names their folder; REPORT_SHOTS one for pictures of them.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { chromium } from 'playwright-core';

import { launching } from '../support/chromium.mjs';

const folder = process.env.REPORT_PAGES;
assert.ok(folder, 'REPORT_PAGES names the folder of the pages');
const pages = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.html')).sort();
assert.ok(pages.length > 0, `no pages in ${folder}`);

const looks = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 390, height: 844 } },
  { name: 'print', colorScheme: 'light', viewport: { width: 794, height: 1123 }, media: 'print' },
];

let browser;

before(async () => {
  browser = await chromium.launch(launching);
});

after(async () => {
  await browser?.close();
});

/** What is wrong with the texts of the charts that are shown, in words. Runs in the page. */
function wrongTexts() {
  const wrong = [];
  const shown = [...document.querySelectorAll('figure svg[role=img]')].filter((svg) => svg.getClientRects().length > 0);
  for (const svg of shown) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map((text) => ({
      text: text.textContent,
      box: text.getBoundingClientRect(),
    }));
    for (const { text, box } of texts) {
      const inside =
        box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.top >= frame.top - 3 && box.bottom <= frame.bottom + 1;
      if (!inside) wrong.push(`cut in "${svg.ariaLabel}": ${text}`);
    }
    for (const [place, one] of texts.entries()) {
      for (const other of texts.slice(place + 1)) {
        const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
        const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
        // The boxes of texts have some air above and below the letters.
        if (across > 0.5 && down > 4) wrong.push(`on top of each other in "${svg.ariaLabel}": ${one.text} / ${other.text}`);
      }
    }
  }
  // Points on the curves, in pixels of the page; lines of the grid may lie behind a label.
  for (const svg of shown) {
    const texts = [...svg.querySelectorAll('text')];
    const boxes = texts.map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
    const curves = [...svg.querySelectorAll('path')].filter((path) => /^[st]-(?!grid)/.test(path.getAttribute('class')));
    for (const curve of curves) {
      const length = curve.getTotalLength();
      const matrix = curve.getScreenCTM();
      for (let at = 0; at <= length; at += 6) {
        const { x, y } = curve.getPointAtLength(at).matrixTransform(matrix);
        // The boxes of texts have some air above and below the letters.
        const hit = boxes.find(({ box }) => x > box.left && x < box.right && y > box.top + 3 && y < box.bottom - 3);
        if (hit) {
          wrong.push(`a curve on a label in "${svg.ariaLabel}": ${hit.text}`);
          break;
        }
      }
    }
  }
  for (const table of document.querySelectorAll('table')) {
    if (table.getClientRects().length === 0) continue;
    const head = table.textContent.trim().slice(0, 40);
    if (table.getBoundingClientRect().right > document.documentElement.clientWidth + 1) wrong.push(`a table is cut: ${head}`);
    for (const cell of table.querySelectorAll('td, th')) {
      if (cell.scrollWidth > cell.clientWidth + 1) wrong.push(`a cell is cut: ${cell.textContent.slice(0, 60)}`);
    }
  }
  if (document.documentElement.scrollWidth > window.innerWidth) {
    wrong.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${window.innerWidth}`);
  }
  return wrong;
}

for (const file of pages) {
  describe(file, () => {
    for (const look of looks) {
      test(look.name, async () => {
        const context = await browser.newContext({ colorScheme: look.colorScheme, viewport: look.viewport });
        try {
          const page = await context.newPage();
          if (look.media) await page.emulateMedia({ media: look.media });
          const told = [];
          page.on('console', (message) => told.push(message.text()));
          page.on('pageerror', (error) => told.push(String(error)));
          const asked = [];
          const url = pathToFileURL(path.join(folder, file)).href;
          page.on('request', (request) => asked.push(request.url()));
          await page.goto(url, { waitUntil: 'networkidle' });
          assert.deepEqual(told, []);
          assert.deepEqual(
            asked.filter((asked) => asked !== url && !asked.startsWith('data:')),
            [],
          );
          // What is folded is a part of the page, and open on paper.
          await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
          assert.deepEqual(await page.evaluate(wrongTexts), []);
          if (process.env.REPORT_SHOTS) {
            const name = `${file.replaceAll(path.sep, '-').replace('.html', '')}-${look.name}.png`;
            await page.screenshot({ path: path.join(process.env.REPORT_SHOTS, name), fullPage: true });
          }
        } finally {
          await context.close();
        }
      });
    }
  });
}

test('a pointer on one second shows the same second of every chart, and paper shows what is folded', async () => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  try {
    const page = await context.newPage();
    await page.goto(pathToFileURL(path.join(folder, 'pass.html')).href);
    const heat = page.locator('figure', { hasText: 'When deliveries were slow' });
    await heat.locator('.wide .hits rect').nth(5).hover();
    const told = (await page.locator('figure output').allTextContents()).filter((text) => text !== '');
    assert.ok(told.length >= 2, told.join('\n'));
    const [second] = told[0].split(':');
    assert.ok(/^second [0-9]+$/.test(second), second);
    for (const text of told) assert.ok(text.startsWith(second), text);
    assert.equal(await page.locator('details:not([open])').count() > 0, true);
    await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
    assert.equal(await page.locator('details:not([open])').count(), 0);
  } finally {
    await context.close();
  }
});
