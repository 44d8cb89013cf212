// The cases of the official Engine.IO v4 suite, in its order and under its names.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { PollingSession, loggedIn, openLine, sleep } from '../support/wire.mjs';
import { Suite } from './cases.mjs';
import { FIRST_PING, close, handshake, heartbeat, pinged, startServers, upgrade } from './engine.mjs';

const suite = new Suite('Engine.IO v4', 25);
let server;
let quiet;
const with_ = (check) => () => check(server, quiet);

const NO_ECHO = 'nothing is echoed: a login and calls are what is sent and answered';

suite.group('Engine.IO protocol', () => {
  before(async () => {
    [server, quiet] = await startServers();
  });
  after(async () => {
    for (const one of [server, quiet]) assert.equal(await one.terminate(), 0);
  });

  suite.group('handshake', () => {
    suite.group('HTTP long-polling', () => {
      suite.run('successfully opens a session', with_(handshake.polling.opens));
      suite.run("fails with an invalid 'EIO' query parameter", with_(handshake.polling.version));
      suite.run("fails with an invalid 'transport' query parameter", with_(handshake.polling.transport));
      suite.run('fails with an invalid request method', with_(handshake.polling.method));
    });

    suite.group('WebSocket', () => {
      suite.run('successfully opens a session', with_(handshake.webSocket.opens));
      suite.run("fails with an invalid 'EIO' query parameter", with_(handshake.webSocket.version));
      suite.run("fails with an invalid 'transport' query parameter", with_(handshake.webSocket.transport));
    });
  });

  suite.group('message', () => {
    suite.group('HTTP long-polling', () => {
      suite.adapted('sends and receives a payload containing one plain text packet', NO_ECHO, async () => {
        const session = await PollingSession.open(server);
        assert.deepEqual(await session.post('40{"token":"one"}'), { status: 200, text: 'ok' });
        const [login, ...more] = await session.packets();
        assert.match(login, /^40\{"sid":"[^"]+"\}$/);
        assert.deepEqual(more, []);
      });

      suite.adapted('sends and receives a payload containing several plain text packets', NO_ECHO, async () => {
        const session = await PollingSession.open(server);
        await session.post('40{"token":"several"}');
        await session.packets();
        const calls = [1, 2, 3].map((n) => `42${n}["leaveRoom",{"roomId":"test${n}"}]`);
        assert.deepEqual(await session.post(calls.join('\u001e')), { status: 200, text: 'ok' });
        const answers = [];
        while (answers.length < 3) answers.push(...(await session.packets()));
        assert.deepEqual(answers.map((answer) => answer.slice(0, 3)), ['431', '432', '433']);
      });

      suite.deviation(
        'sends and receives a payload containing plain text and binary packets',
        'no event of this chat has an attachment: binary ends the session',
        async () => {
          const session = await PollingSession.open(server);
          await session.post('40{"token":"binary"}');
          await session.packets();
          await session.post('421["leaveRoom",{"roomId":"x"}]\u001ebAQIDBA==');
          await over(session);
        },
      );

      suite.run('closes the session upon invalid packet format', async () => {
        const session = await PollingSession.open(server);
        assert.equal((await session.post('abc')).status, 400);
        assert.equal((await session.poll()).status, 400);
      });

      suite.adapted('closes the session upon duplicate poll requests', FIRST_PING, async () => {
        const session = await pinged(quiet);
        const [first, second] = await Promise.all([session.poll(), sleep(20).then(() => session.poll())]);
        assert.deepEqual(first, { status: 200, text: '1' });
        assert.equal(second.status, 400);
        assert.equal((await session.poll()).status, 400);
      });

      suite.run('closes the session upon cancelled polling request', async () => {
        const session = await pinged(quiet);
        const cancelled = new AbortController();
        const poll = session.poll({ signal: cancelled.signal }).catch(() => 'cancelled');
        await sleep(20);
        cancelled.abort();
        assert.equal(await poll, 'cancelled');
        assert.equal((await session.poll()).status, 400);
      });
    });

    suite.group('WebSocket', () => {
      suite.adapted('sends and receives a plain text packet', NO_ECHO, async () => {
        const line = await loggedIn(server, 'text');
        assert.match(line.login, /^40\{/);
        line.send('42["leaveRoom",{"roomId":"nobody answers without a number"}]', '427["leaveRoom",{"roomId":"x"}]');
        assert.match(await line.packet(), /^437\[\{"success":true,/);
        line.close();
      });

      suite.deviation('sends and receives a binary packet', 'no event of this chat has an attachment: binary ends the session', async () => {
        const line = await loggedIn(server, 'binary');
        line.send(Buffer.from([1, 2, 3, 4]));
        await line.closed();
      });

      suite.run('closes the session upon invalid packet format', async () => {
        const line = await openLine(server);
        line.send('abc');
        await line.closed();
      });
    });
  });

  suite.group('heartbeat', () => {
    suite.group('HTTP long-polling', () => {
      suite.run('sends ping/pong packets', with_(heartbeat.polling.exchanged));
      suite.run('closes the session upon ping timeout', with_(heartbeat.polling.missed));
    });

    suite.group('WebSocket', () => {
      suite.run('sends ping/pong packets', with_(heartbeat.webSocket.exchanged));
      suite.run('closes the session upon ping timeout', with_(heartbeat.webSocket.missed));
    });
  });

  suite.group('close', () => {
    suite.group('HTTP long-polling', () => {
      suite.deviation('forcefully closes the session', FIRST_PING, with_(close.polling));
    });

    suite.group('WebSocket', () => {
      suite.run('forcefully closes the session', with_(close.webSocket));
    });
  });

  suite.group('upgrade', () => {
    suite.run('successfully upgrades from HTTP long-polling to WebSocket', with_(upgrade.succeeds));
    suite.run('ignores HTTP requests with same sid after upgrade', with_(upgrade.ignoresPolls));
    suite.run('ignores WebSocket connection with same sid after upgrade', with_(upgrade.ignoresWebSockets));
  });
});
suite.close();

/** The session is no more. */
async function over(session) {
  const { status, text } = await session.poll();
  // What had been answered before is still fetched.
  if (status === 200) assert.equal((await session.poll()).status, 400, text);
  else assert.equal(status, 400);
}
