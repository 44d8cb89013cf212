// A server written by hand, which does everything that is legal and unusual. It has WebSocket alone.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { finds, measure, passes, serve } from '../measure.mjs';

const here = import.meta.dirname;
const scenario = join(here, 'unusual.toml');

const start = async (t, env) => `http://localhost:${await serve(t, 'node', [join(here, 'chat.mjs')], env)}`;

describe('a server written by hand', () => {
  test('everything comes, over websocket', async (t) => {
    const measured = await measure(t, scenario, await start(t));
    passes(t, measured, 'websocket');
    const users = measured.run.generator.connections;
    assert.deepEqual(measured.run.ignored, {
      'a packet of namespace /news': 2 * users,
      'headline of namespace /news': users,
      avatar: users,
      hello: users,
      history: users,
      nothing: users,
      '¡buenos días, "amigos"! 你好 \u2028': users,
    });
  });

  test('messages that are overtaken by the next of their sender are found', async (t) => {
    finds(await measure(t, scenario, await start(t, { FAULT: 'overtaken' })), 'reordered');
  });
});
