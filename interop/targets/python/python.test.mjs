// python-socketio as an ASGI application under uvicorn.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { TRANSPORTS, finds, measure, passes, serve } from '../measure.mjs';

const here = import.meta.dirname;
const scenario = join(here, 'positional.toml');
const python = process.env.TARGETS_PYTHON;
assert.ok(python, 'TARGETS_PYTHON is not set: start these tests with interop/targets/run');

const start = async (t, env) => `http://localhost:${await serve(t, python, [join(here, 'chat.py')], env)}`;

describe('python-socketio', () => {
  for (const transport of TRANSPORTS) {
    test(`everything comes, over ${transport}`, async (t) => {
      const target = await start(t);
      passes(t, await measure(t, scenario, target, ['--set', `transport=${transport}`]), transport);
    });
  }

  test('messages that are emitted twice are found', async (t) => {
    finds(await measure(t, scenario, await start(t, { FAULT: 'twice' })), 'duplicated');
  });
});
