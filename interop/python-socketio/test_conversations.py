"""Rooms and channels in both dialects, over WebSocket, polling and polling upgraded, with python-socketio."""

import re

import pytest
from bson import ObjectId

from chat import DIALECTS, Client, Server, eventually, unique

TRANSPORTS = {"websocket": ("websocket",), "polling": ("polling",), "upgraded": ("polling", "websocket")}


@pytest.fixture(scope="module", params=DIALECTS)
def dialect(request):
    return request.param


@pytest.fixture(scope="module")
def server(dialect):
    server = Server("--dialect", dialect)
    yield server
    eventually("nothing is left when everybody has gone", lambda: '"totalSockets":0' in server.get("/debug/sockets"))
    assert server.terminate() == 0
    server.forget()


@pytest.fixture(params=["room", "channel"])
def names(request, dialect):
    room, channel = DIALECTS[dialect]
    return room if request.param == "room" else channel


@pytest.fixture(params=TRANSPORTS)
def connect(request, server):
    clients = []

    def one(**options):
        clients.append(Client(server, transports=TRANSPORTS[request.param], **options))
        return clients[-1]

    yield one
    for client in clients:
        client.close()


def joined(names, conversation, *clients):
    for client in clients:
        answer = client.ask(names.join, {names.id: conversation})
        assert answer["success"], answer


def test_joining_and_leaving_are_acknowledged(connect, names):
    alice, bob = connect(), connect()
    conversation = unique(names.kind)
    assert alice.ask(names.join, {names.id: conversation}) == {
        "success": True,
        "message": f"Successfully joined the {names.kind}",
        "data": {names.id: conversation, "connectedUsers": 1, "alreadyJoined": False},
    }
    joined(names, conversation, bob)
    assert bob.ask(names.join, {names.id: conversation}) == {
        "success": True,
        "message": f"Already in the {names.kind}",
        "data": {names.id: conversation, "connectedUsers": 2, "alreadyJoined": True},
    }
    assert bob.ask(names.leave, {names.id: conversation}) == {
        "success": True,
        "message": f"Successfully left the {names.kind}",
        "data": {names.id: conversation},
    }


def test_a_message_is_delivered_confirmed_stored_and_acknowledged(server, connect, names):
    alice, bob, stranger = connect(), connect(), connect()
    conversation = str(ObjectId())
    joined(names, conversation, alice, bob)
    joined(names, unique("elsewhere"), stranger)
    answer = alice.ask(names.send, {names.id: conversation, "senderId": alice.user, "body": "Grüße 👋"})
    optimistic = bob.next(names.received)
    confirmed = bob.next(names.confirmed)
    assert re.fullmatch(r"temp_\d{13}_[a-z0-9]{9}", optimistic["_id"])
    assert optimistic["isOptimistic"] is True
    assert (optimistic["body"], optimistic[names.id], optimistic["status"]) == ("Grüße 👋", conversation, "unread")
    assert optimistic["senderId"]["_id"] == alice.user
    assert optimistic["image"] is None and optimistic["imageKey"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", optimistic["createdAt"])
    same = {key: value for key, value in optimistic.items() if key not in ("_id", "isOptimistic")}
    assert confirmed == {**same, "_id": confirmed["_id"], "tempId": optimistic["_id"], "isConfirmed": True}
    assert alice.next(names.at_once) == optimistic
    assert alice.next(names.confirmed) == confirmed

    assert (answer["success"], answer["message"]) == (True, names.created)
    assert answer["data"]["_id"] == confirmed["_id"]
    assert 0 <= answer["timing"]["emitTime"] <= answer["timing"]["dbTime"]
    [stored] = server.database[names.collection].find({names.id: ObjectId(conversation)})
    assert (str(stored["_id"]), stored["body"], stored["senderId"]) == (confirmed["_id"], "Grüße 👋", alice.user)

    # An acknowledgement comes after all that was sent before it.
    stranger.ask(names.leave, {names.id: unique("barrier")})
    assert stranger.names() == []


def test_messages_arrive_in_order_and_each_is_confirmed_once_after_its_delivery(connect, names):
    alice, bob = connect(), connect()
    conversation = unique(names.kind)
    joined(names, conversation, alice, bob)
    bodies = [str(n) for n in range(100)]
    for body in bodies:
        alice.emit(names.send, {names.id: conversation, "senderId": alice.user, "body": body})
    for client in (alice, bob):
        eventually("all are confirmed", lambda client=client: len(client.all(names.confirmed)) >= len(bodies))
    for client, received in ((alice, names.at_once), (bob, names.received)):
        delivered = client.all(received)
        assert [message["body"] for message in delivered] == bodies
        ends = [message["tempId"] for message in client.all(names.confirmed)]
        assert sorted(ends) == sorted(message["_id"] for message in delivered)
        where = {data["_id"]: at for at, (name, data) in enumerate(client.log) if name == received}
        ended = {data["tempId"]: at for at, (name, data) in enumerate(client.log) if name == names.confirmed}
        assert all(where[message] < ended[message] for message in ended)


def test_the_same_client_msg_id_again_is_the_same_message(server, connect, names):
    alice = connect()
    conversation = unique(names.kind)
    joined(names, conversation, alice)
    payload = {names.id: conversation, "senderId": alice.user, "body": "once", "clientMsgId": unique("c")}
    first, again = alice.ask(names.send, payload), alice.ask(names.send, payload)
    assert first["success"] and again["data"] == first["data"]
    assert server.database[names.collection].count_documents({"clientMsgId": payload["clientMsgId"]}) == 1
    assert alice.names() == [names.at_once, names.confirmed]


@pytest.mark.parametrize("payload", ["text", 7, True, ["x"], None, {}, {"roomId": {"$ne": 1}, "channelId": {"$ne": 1}}])
def test_what_is_wrong_is_answered(connect, names, payload):
    alice = connect()
    for event in (names.join, names.leave, names.send):
        answer = alice.ask(event, payload)
        assert answer["success"] is False and answer["message"], (event, answer)
    not_joined = alice.ask(names.send, {names.id: unique("x"), "senderId": alice.user, "body": "x"})
    assert (not_joined["success"], not_joined["message"]) == (False, f"Join the {names.kind} before sending")
