"""The real server as a child process, and python-socketio's client with a log of all that it is sent, in order."""

import asyncio
import os
import secrets
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass

import engineio
import pymongo
import socketio

# Only a guard against hanging, in seconds.
PATIENCE = 20

# The client ends a polling connection whose answer holds more packets than this, by default 16; Socket.IO servers, the
# official one too, send all that is waiting. Its documentation recommends to raise it.
engineio.payload.Payload.max_decode_packets = 10_000


def unique(what):
    return f"{what}-{secrets.token_hex(6)}"


@dataclass(frozen=True)
class Names:
    """The events of one kind of conversation in one dialect, as the documents name them."""

    kind: str
    id: str
    join: str
    leave: str
    send: str
    received: str
    at_once: str
    confirmed: str
    failed: str
    created: str
    collection: str


def _room(at_once):
    return Names(
        "room", "roomId", "joinRoom", "leaveRoom", "roomMessage", "roomMessageRecieved", at_once,
        "roomMessageConfirmed", "roomMessageFailed", "Successfully created message in the room", "message2",
    )


def _channel(join, leave, send, received, at_once):
    return Names(
        "channel", "channelId", join, leave, send, received, at_once,
        "channelMessageConfirmed", "channelMessageFailed", "Successfully created message", "messages",
    )


DIALECTS = {
    "readme": (
        _room("roomMessageRecieved"),
        _channel(
            "JOIN_CHANNEL", "leaveChannel", "NEW_MESSAGE_EVENT", "NEW_MESSAGE_RECEIVED_EVENT",
            "NEW_MESSAGE_RECEIVED_EVENT",
        ),
    ),
    "reference": (
        _room("roomMessageSent"),
        _channel("JoinChannel", "LeaveChannel", "NewMessage", "NewMessageReceived", "channelMessageSent"),
    ),
}


def required(name):
    value = os.environ.get(name)
    assert value, f"{name} is not set: start these tests with interop/run"
    return value


class Server:
    """A server on a free port, with a database of its own in the MongoDB of this run."""

    def __init__(self, *args):
        self.mongo = pymongo.MongoClient(required("INTEROP_MONGODB"))
        self.database = self.mongo[f"interop_{secrets.token_hex(6)}"]
        store = ["--store", required("INTEROP_MONGODB"), "--database", self.database.name]
        command = [required("INTEROP_SERVER"), "--port", "0", "--log", "error", *store, *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline().strip()
        assert first.startswith("listening on http://"), first
        self.url = first.removeprefix("listening on ")

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as response:
            return response.read().decode()

    def terminate(self):
        """Tells it to stop, as an operator would, and returns its exit status; what it stored stays."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def forget(self):
        self.mongo.drop_database(self.database.name)
        self.mongo.close()


# python-socketio's threaded client hands each event to a thread of its own, so it loses their order; its asyncio client
# keeps it. The loop runs in the background, so that tests read from top to bottom.
LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def run(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(PATIENCE)


class Client:
    """A connected client; `log` holds every event as `(name, data)`, in the order of arrival."""

    def __init__(self, server, *, token=None, transports=("websocket",), auth=True, headers=None):
        self.user = token or unique("user")
        self.log = []
        self._taken = 0
        self._arrived = threading.Condition()
        self.socket = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self.socket.on("*", self._add)
        self.socket.on("disconnect", lambda reason=None: self._add("disconnect", reason))
        run(
            self.socket.connect(
                server.url,
                transports=list(transports),
                auth={"token": self.user} if auth else None,
                headers=headers or {},
                wait_timeout=PATIENCE,
            )
        )

    def _add(self, name, data=None):
        with self._arrived:
            self.log.append((name, data))
            self._arrived.notify_all()

    def next(self, name):
        """The next event of this name that has not been taken yet; events of other names are passed over."""
        deadline = time.monotonic() + PATIENCE
        with self._arrived:
            while True:
                while self._taken < len(self.log):
                    got, data = self.log[self._taken]
                    self._taken += 1
                    if got == name:
                        return data
                left = deadline - time.monotonic()
                assert left > 0, f"no {name} within {PATIENCE} s, but {self.names()}"
                self._arrived.wait(left)

    def names(self):
        return [name for name, _ in self.log]

    def all(self, name):
        return [data for got, data in self.log if got == name]

    def emit(self, name, payload):
        run(self.socket.emit(name, payload))

    def ask(self, name, payload):
        """Emits and returns the acknowledgement."""
        return run(self.socket.call(name, payload, timeout=PATIENCE))

    def close(self):
        run(self.socket.disconnect())


def refusal(server, token, transport):
    """What a client is told that is not let in."""
    socket = socketio.AsyncClient(reconnection=False, handle_sigint=False)
    told = []
    socket.on("connect_error", told.append)
    try:
        run(socket.connect(server.url, auth={"token": token} if token else None, transports=[transport]))
    except socketio.exceptions.ConnectionError:
        return told[0]
    raise AssertionError("it was let in")


def eventually(what, is_so):
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)
