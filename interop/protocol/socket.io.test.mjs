// The cases of the official Socket.IO v5 suite, in its order and under its names.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { loggedIn, openLine } from '../support/wire.mjs';
import { Suite } from './cases.mjs';
import { FIRST_PING, close, handshake, heartbeat, startServers, upgrade } from './engine.mjs';

const suite = new Suite('Socket.IO v5', 32);
let server;
let quiet;
const with_ = (check) => () => check(server, quiet);

const ONE_NAMESPACE = 'there is one namespace, /: any other is refused, and the session goes on';
const NO_BINARY = 'no event of this chat has an attachment: binary ends the session';
const UNKNOWN_EVENT = 'nothing is echoed: what is sent is an event that this chat has, or has not';

/** Sends to a session with a login what ends it. */
const endsBy = (packet) => async () => {
  const line = await loggedIn(server, 'invalid');
  line.send(packet);
  await line.closed();
};

const refusedNamespace = (namespace, payload) => async () => {
  const line = await openLine(server);
  line.send(`40${namespace},${payload}`);
  assert.equal(await line.packet(), `44${namespace},{"message":"Invalid namespace"}`);
  line.send('40{"token":"main"}');
  assert.match(await line.packet(), /^40\{"sid":/);
  line.close();
};

before(async () => {
  [server, quiet] = await startServers();
});
after(async () => {
  for (const one of [server, quiet]) assert.equal(await one.terminate(), 0);
});

suite.group('Engine.IO protocol', () => {
  suite.group('handshake', () => {
    suite.group('HTTP long-polling', () => {
      suite.run('should successfully open a session', with_(handshake.polling.opens));
      suite.run("should fail with an invalid 'EIO' query parameter", with_(handshake.polling.version));
      suite.run("should fail with an invalid 'transport' query parameter", with_(handshake.polling.transport));
      suite.run('should fail with an invalid request method', with_(handshake.polling.method));
    });

    suite.group('WebSocket', () => {
      suite.run('should successfully open a session', with_(handshake.webSocket.opens));
      suite.run("should fail with an invalid 'EIO' query parameter", with_(handshake.webSocket.version));
      suite.run("should fail with an invalid 'transport' query parameter", with_(handshake.webSocket.transport));
    });
  });

  suite.group('heartbeat', () => {
    suite.group('HTTP long-polling', () => {
      suite.run('should send ping/pong packets', with_(heartbeat.polling.exchanged));
      suite.run('should close the session upon ping timeout', with_(heartbeat.polling.missed));
    });

    suite.group('WebSocket', () => {
      suite.run('should send ping/pong packets', with_(heartbeat.webSocket.exchanged));
      suite.run('should close the session upon ping timeout', with_(heartbeat.webSocket.missed));
    });
  });

  suite.group('close', () => {
    suite.group('HTTP long-polling', () => {
      suite.deviation('should forcefully close the session', FIRST_PING, with_(close.polling));
    });

    suite.group('WebSocket', () => {
      suite.run('should forcefully close the session', with_(close.webSocket));
    });
  });

  suite.group('upgrade', () => {
    suite.run('should successfully upgrade from HTTP long-polling to WebSocket', with_(upgrade.succeeds));
    suite.run('should ignore HTTP requests with same sid after upgrade', with_(upgrade.ignoresPolls));
    suite.run('should ignore WebSocket connection with same sid after upgrade', with_(upgrade.ignoresWebSockets));
  });
});

suite.group('Socket.IO protocol', () => {
  suite.group('connect', () => {
    suite.deviation(
      'should allow connection to the main namespace',
      'a login needs a token: without one the reason comes, and the session goes on',
      async () => {
        const line = await openLine(server);
        line.send('40');
        assert.equal(await line.packet(), '44{"message":"Authentication error: Token is required"}');
        line.close();
      },
    );

    suite.adapted(
      'should allow connection to the main namespace with a payload',
      'no event echoes the payload: its token is the sender of what follows',
      async () => {
        const line = await loggedIn(server, '123');
        const login = JSON.parse(line.login.slice(2));
        assert.deepEqual(Object.keys(login), ['sid']);
        assert.equal(typeof login.sid, 'string');
        line.send('421["joinRoom",{"roomId":"r"}]', '42["roomMessage",{"roomId":"r","body":"x"}]');
        assert.match(await line.packet(), /^431\[\{"success":true,/);
        const [event, message] = JSON.parse((await line.packet()).slice(2));
        assert.deepEqual([event, message.senderId._id], ['roomMessageRecieved', '123']);
        line.close();
      },
    );

    suite.deviation('should allow connection to a custom namespace', ONE_NAMESPACE, refusedNamespace('/custom', ''));
    suite.deviation(
      'should allow connection to a custom namespace with a payload',
      ONE_NAMESPACE,
      refusedNamespace('/custom', '{"token":"abc"}'),
    );
    suite.run('should disallow connection to an unknown namespace', refusedNamespace('/random', ''));

    suite.run('should disallow connection with an invalid handshake', async () => {
      const line = await openLine(server);
      line.send('4abc');
      await line.closed();
    });

    suite.adapted(
      'should close the connection if no handshake is received',
      'pings are answered meanwhile, since it is the missing login that ends it',
      async () => {
        const line = await openLine(server);
        assert.equal(await line.packet(), '1');
        await line.closed();
      },
    );
  });

  suite.group('disconnect', () => {
    suite.adapted(
      'should disconnect from the main namespace',
      'seen from outside: the user has gone, and the session goes on for a while',
      async () => {
        const line = await loggedIn(server, 'leaver');
        line.send('41');
        while ((await server.get('/debug/sockets?verbose')).text.includes('"leaver"'));
        assert.equal(await line.next(), '2');
        line.close();
      },
    );

    suite.deviation('should connect then disconnect from a custom namespace', ONE_NAMESPACE, async () => {
      const line = await loggedIn(server, 'both');
      line.send('40/custom,');
      assert.equal(await line.packet(), '44/custom,{"message":"Invalid namespace"}');
      line.send('41/custom,', '425["leaveRoom",{"roomId":"x"}]');
      assert.match(await line.packet(), /^435\[\{"success":true,/);
      line.close();
    });
  });

  suite.group('message', () => {
    suite.adapted('should send a plain-text packet', UNKNOWN_EVENT, async () => {
      const line = await loggedIn(server, 'plain');
      line.send('42["message",1,"2",{"3":[true]}]', '421["joinRoom",{"roomId":"plain"}]');
      assert.match(await line.packet(), /^431/);
      line.send('42["roomMessage",{"roomId":"plain","body":"1, 2, [true]"}]');
      const [event, message] = JSON.parse((await line.packet()).slice(2));
      assert.deepEqual([event, message.body], ['roomMessageRecieved', '1, 2, [true]']);
      line.close();
    });

    suite.deviation('should send a packet with binary attachments', NO_BINARY, async () => {
      const line = await loggedIn(server, 'binary');
      line.send('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
      line.send(Buffer.from([1, 2, 3]));
      await line.closed();
    });

    suite.adapted('should send a plain-text packet with an ack', UNKNOWN_EVENT, async () => {
      const line = await loggedIn(server, 'acknowledged');
      line.send('42456["message-with-ack",1,"2",{"3":[false]}]');
      assert.equal(await line.packet(), '43456[{"success":false,"message":"Unknown event"}]');
      line.close();
    });

    suite.deviation('should send a packet with binary attachments and an ack', NO_BINARY, async () => {
      const line = await loggedIn(server, 'binary');
      line.send('452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
      line.send(Buffer.from([1, 2, 3]));
      await line.closed();
    });

    suite.run('should close the connection upon invalid format (unknown packet type)', endsBy('4abc'));
    suite.run('should close the connection upon invalid format (invalid payload format)', endsBy('42{}'));
    suite.run(
      'should close the connection upon invalid format (invalid ack id)',
      endsBy('42abc["message-with-ack",1,"2",{"3":[false]}]'),
    );
  });
});
suite.close();
