"""A chat on python-socketio under uvicorn: positional arguments, answers as Node's callbacks, users known by their auth.

FAULT=twice: some messages are emitted a second time.
"""

import os
import socket
import uuid

import socketio
import uvicorn

io = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
twice = os.environ.get("FAULT") == "twice"
said = 0


@io.event
async def connect(sid, _environ, auth):
    user = (auth or {}).get("user", {})
    if user.get("key") != f"key of {user.get('name')}":
        raise ConnectionRefusedError("who are you?")
    await io.save_session(sid, user["name"])
    await io.emit("welcome", {"name": user["name"]}, to=sid)


@io.event
async def enter(sid, room):
    await io.enter_room(sid, room)
    return None, room


@io.event
async def say(sid, room, text):
    global said
    said += 1
    message = {"id": str(uuid.uuid4()), "from": await io.get_session(sid), "text": text}
    for _ in range(2 if twice and said % 10 == 0 else 1):
        await io.emit("said", (room, {"message": message}), room=room)
    return None, message["id"]


listener = socket.create_server(("127.0.0.1", 0))
print("listening on", listener.getsockname()[1], flush=True)
server = uvicorn.Server(uvicorn.Config(socketio.ASGIApp(io), ws="wsproto", log_level="critical", timeout_graceful_shutdown=1))
server.run(sockets=[listener])
