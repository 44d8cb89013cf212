"""A plain chat on python-socketio under uvicorn, as its documentation would have it, to be measured beside others.

PORT: where it listens. MONGODB_URI and MONGODB_DATABASE name the store; without, it is simulated: SAVE_TIME is how long
that takes, in milliseconds, as in 50-200. Messages are delivered at once, then saved, then confirmed.
"""

import asyncio
import json
import os
import platform
import random
import secrets
import string
import time
from datetime import datetime, timezone
from importlib.metadata import version
from urllib.parse import parse_qs

import socketio
import uvicorn
from bson import ObjectId
from pymongo import AsyncMongoClient, WriteConcern

KINDS = [
    {
        "name": "room",
        "id": "roomId",
        "join": "joinRoom",
        "leave": "leaveRoom",
        "send": "roomMessage",
        "received": "roomMessageRecieved",
        "created": "Successfully created message in the room",
        "collection": "message2",
    },
    {
        "name": "channel",
        "id": "channelId",
        "join": "JOIN_CHANNEL",
        "leave": "leaveChannel",
        "send": "NEW_MESSAGE_EVENT",
        "received": "NEW_MESSAGE_RECEIVED_EVENT",
        "created": "Successfully created message",
        "collection": "messages",
    },
]
VERSIONS = ", ".join(
    [f"Python {platform.python_version()}"]
    + [f"{name} {version(name)}" for name in ("python-socketio", "uvicorn", "pymongo")]
)

io = socketio.AsyncServer(async_mode="asgi")


class Mongo:
    """Saves into MongoDB, as durable as the server of this project has it."""

    durability = "w: majority, j: true"

    def __init__(self, uri, database):
        concern = WriteConcern(w="majority", j=True)
        self.database = AsyncMongoClient(uri).get_database(database, write_concern=concern)

    async def save(self, kind, message):
        document = {
            "_id": ObjectId(),
            kind["id"]: identified(message["id"]),
            "senderId": identified(message["sender"]),
            "body": message["body"],
            "status": "unread",
            "createdAt": message["at"],
            "updatedAt": message["at"],
        }
        if message["clientMsgId"] is not None:
            document["clientMsgId"] = message["clientMsgId"]
        await self.database[kind["collection"]].insert_one(document)
        return str(document["_id"])


class Simulation:
    """Takes as long as it is told, and keeps everything in memory."""

    durability = "none: gone with the process"

    def __init__(self, times):
        self.low, self.high = (float(each) / 1000 for each in times.split("-"))
        # Lines of JSON, and no objects, which collections of garbage would look through: a database has them elsewhere.
        self.lines = bytearray()

    async def save(self, kind, message):
        await asyncio.sleep(random.uniform(self.low, self.high))
        _id = str(ObjectId())
        place = {"collection": kind["collection"], kind["id"]: message["id"]}
        said = {"senderId": message["sender"], "body": message["body"]}
        saved = {"_id": _id, **place, **said, "createdAt": instant(message["at"])}
        self.lines += json.dumps(saved).encode() + b"\n"
        return _id

    def whose(self, beginning):
        """The lines of the messages whose body begins so."""
        # No text within a line has these quotes: there they are escaped.
        body = b'"body": ' + json.dumps(beginning).encode()[:-1]
        at = self.lines.find(body)
        while at >= 0:
            end = self.lines.index(b"\n", at) + 1
            yield self.lines[self.lines.rfind(b"\n", 0, at) + 1 : end]
            at = self.lines.find(body, end)


def identified(text):
    """Ids of 24 hexadecimal digits are ObjectIds; others are texts."""
    is_object_id = len(text) == 24 and all(digit in string.hexdigits for digit in text)
    return ObjectId(text) if is_object_id else text


def instant(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def shown(kind, message):
    """The fields that every form of a message has."""
    sender, at = message["sender"], instant(message["at"])
    fields = {
        "body": message["body"],
        "image": None,
        "imageKey": None,
        "status": "unread",
        kind["id"]: message["id"],
        "senderId": {"_id": sender, "username": sender, "email": None, "avatar": None},
        "createdAt": at,
        "updatedAt": at,
    }
    if message["clientMsgId"] is not None:
        fields["clientMsgId"] = message["clientMsgId"]
    return fields


@io.event
async def connect(sid, environ, auth):
    token = (auth or {}).get("token") or environ.get("HTTP_ACCESS_TOKEN")
    if not token:
        raise ConnectionRefusedError("Authentication error: Token is required")
    await io.save_session(sid, str(token))


def refused(message):
    return {"success": False, "message": message}


def listen(kind):
    """The events of a kind of conversation."""

    @io.on(kind["join"])
    async def join(sid, payload):
        place = f"{kind['name']}:{payload[kind['id']]}"
        already = place in io.rooms(sid)
        await io.enter_room(sid, place)
        users = sum(1 for _ in io.manager.get_participants("/", place))
        said = "Already in" if already else "Successfully joined"
        data = {kind["id"]: payload[kind["id"]], "connectedUsers": users, "alreadyJoined": already}
        return {"success": True, "message": f"{said} the {kind['name']}", "data": data}

    @io.on(kind["leave"])
    async def leave(sid, payload):
        await io.leave_room(sid, f"{kind['name']}:{payload[kind['id']]}")
        data = {kind["id"]: payload[kind["id"]]}
        return {"success": True, "message": f"Successfully left the {kind['name']}", "data": data}

    @io.on(kind["send"])
    async def send(sid, payload):
        began = time.perf_counter()
        place = f"{kind['name']}:{payload.get(kind['id'])}"
        if not payload.get("body"):
            return refused("body is required")
        if place not in io.rooms(sid):
            return refused(f"Join the {kind['name']} before sending")
        message = {
            "id": payload[kind["id"]],
            "sender": await io.get_session(sid),
            "body": payload["body"],
            "clientMsgId": payload.get("clientMsgId"),
            "at": datetime.now(timezone.utc),
        }
        return await deliver(kind, place, message, began)


async def deliver(kind, place, message, began):
    """Delivers under a temporary id, then saves, then confirms or takes back."""
    fields = shown(kind, message)
    temp_id = f"temp_{int(message['at'].timestamp() * 1000)}_{secrets.token_hex(5)}"
    await io.emit(kind["received"], {"_id": temp_id, **fields, "isOptimistic": True}, room=place)
    emitted = time.perf_counter()
    try:
        _id = await store.save(kind, message)
    except Exception as error:
        failed = {"tempId": temp_id, "error": str(error)}
        await io.emit(f"{kind['name']}MessageFailed", failed, room=place)
        return {"success": False, "message": "Failed to save message", "error": str(error)}
    confirmed = {"_id": _id, **fields, "tempId": temp_id, "isConfirmed": True}
    await io.emit(f"{kind['name']}MessageConfirmed", confirmed, room=place)
    timing = {"emitTime": (emitted - began) * 1000, "dbTime": (time.perf_counter() - began) * 1000}
    return {"success": True, "message": kind["created"], "data": confirmed, "timing": timing}


async def pages(scope, _receive, respond):
    """What the load generator asks for beside the chat: which versions these are, and what a simulated store has."""
    if scope["type"] != "http":
        return
    path, status, media, body = scope["path"], 200, b"application/json", b""
    if path == "/health":
        health = {"status": "ok", "version": VERSIONS, "store": {"durability": store.durability}}
        body = json.dumps(health).encode()
    elif path == "/debug/messages" and isinstance(store, Simulation):
        media = b"application/x-ndjson"
        asked = parse_qs(scope["query_string"].decode())
        body = b"".join(store.whose(asked.get("body", [""])[0]))
    else:
        status = 404
    await respond({"type": "http.response.start", "status": status, "headers": [(b"content-type", media)]})
    await respond({"type": "http.response.body", "body": body})


def opened(environment):
    """The store that the environment names."""
    if uri := environment.get("MONGODB_URI"):
        return Mongo(uri, environment["MONGODB_DATABASE"])
    return Simulation(environment.get("SAVE_TIME", "50-200"))


store = opened(os.environ)
for each in KINDS:
    listen(each)

if __name__ == "__main__":
    app = socketio.ASGIApp(io, other_asgi_app=pages)
    port = int(os.environ.get("PORT", "3000"))
    uvicorn.run(app, port=port, log_level="warning", timeout_graceful_shutdown=1)
