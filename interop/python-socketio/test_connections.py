"""Tokens, second logins, and the end of the server, with python-socketio."""

import time

import jwt
import pytest

from chat import Client, Server, refusal, unique

SECRET = "a secret of at least 32 characters, for HS256"


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    assert server.terminate() == 0
    server.forget()


@pytest.fixture(scope="module")
def guarded():
    server = Server("--jwt-secret", SECRET)
    yield server
    assert server.terminate() == 0
    server.forget()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_without_a_token_nobody_is_let_in(server, transport):
    assert refusal(server, None, transport)["message"] == "Authentication error: Token is required"


def test_the_header_names_the_user_too(server):
    client = Client(server, auth=False, headers={"access-token": "carl"})
    room = unique("room")
    client.ask("joinRoom", {"roomId": room})
    client.ask("roomMessage", {"roomId": room, "senderId": "carl", "body": "x"})
    assert client.next("roomMessageRecieved")["senderId"]["_id"] == "carl"
    client.close()


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_tokens_are_verified(guarded, transport):
    claims = {"id": "u7", "username": "Ann", "exp": time.time() + 600}
    client = Client(guarded, token=jwt.encode(claims, SECRET, algorithm="HS256"), transports=(transport,))
    room = unique("room")
    client.ask("joinRoom", {"roomId": room})
    assert client.ask("roomMessage", {"roomId": room, "senderId": "u7", "body": "x"})["success"]
    sender = client.next("roomMessageRecieved")["senderId"]
    assert (sender["_id"], sender["username"]) == ("u7", "Ann")
    forged = client.ask("roomMessage", {"roomId": room, "senderId": "u8", "body": "x"})
    assert (forged["success"], forged["message"]) == (False, "Invalid senderId")
    client.close()
    for bad in (
        "nonsense",
        jwt.encode(claims, SECRET + "!", algorithm="HS256"),
        jwt.encode({**claims, "exp": time.time() - 120}, SECRET, algorithm="HS256"),
    ):
        assert refusal(guarded, bad, transport)["message"] == "Invalid auth token provided"


def test_a_second_login_takes_over_the_rooms(server):
    user = unique("user")
    bob, first = Client(server), Client(server, token=user)
    room = unique("room")
    for client in (bob, first):
        client.ask("joinRoom", {"roomId": room})
    second = Client(server, token=user)
    assert second.next("reconnected")["message"] == "Successfully reconnected"
    assert "accountAlreadyLoggedIn" in second.names() or second.next("accountAlreadyLoggedIn")
    assert first.next("accountLoggedInElsewhere")["userId"] == user
    first.close()
    bob.ask("roomMessage", {"roomId": room, "senderId": bob.user, "body": "x"})
    assert second.next("roomMessageRecieved")["body"] == "x"
    bob.close()
    second.close()


def test_a_server_that_is_told_to_stop_ends_every_message_first():
    server = Server()
    alice, bob = Client(server), Client(server)
    room = unique("room")
    for client in (alice, bob):
        client.ask("joinRoom", {"roomId": room})
    for n in range(100):
        alice.emit("roomMessage", {"roomId": room, "senderId": alice.user, "body": str(n)})
    while bob.next("roomMessageRecieved")["body"] != "99":
        pass
    assert server.terminate() == 0
    bob.next("disconnect")
    delivered = sorted(message["_id"] for message in bob.all("roomMessageRecieved"))
    ends = bob.all("roomMessageConfirmed") + bob.all("roomMessageFailed")
    assert sorted(end["tempId"] for end in ends) == delivered
    stored = {str(message["_id"]) for message in server.database["message2"].find({"roomId": room})}
    assert {message["_id"] for message in bob.all("roomMessageConfirmed")} == stored
    for client in (alice, bob):
        client.close()
    server.forget()
