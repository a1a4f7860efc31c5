"""The controller's sockets, with clients who do their worst."""

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from controller.door_socket import LINES_PER_TURN, Client, ClientGone, RoleSocket
from controller.formats.errors import Refused
from controller.formats.messages import CameraRead, SendBatch, encode_line

MAX_LINE, MAX_UNSENT = 1_000, 10_000


@pytest.fixture
def role(tmp_path: Path) -> Iterator[RoleSocket]:
    role = RoleSocket(tmp_path / "role.sock", max_clients=2, max_line_bytes=MAX_LINE, max_unsent_bytes=MAX_UNSENT)
    yield role
    role.close()


def connect(role: RoleSocket) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(role.path))
    return connection


@pytest.fixture
def pair(role: RoleSocket) -> Iterator[tuple[socket.socket, Client]]:
    far = connect(role)
    near = role.accept()
    assert near is not None
    yield far, near
    far.close()


Pair = tuple[socket.socket, Client]


def test_lines_in_messages_out(pair: Pair):
    far, near = pair
    far.sendall(b'{"type":"alive"}\n{"a"')
    near.read()
    assert near.lines() == [b'{"type":"alive"}']
    far.sendall(b":1}\n")
    near.read()
    assert near.lines() == [b'{"a":1}']
    near.send(CameraRead(text="x"))
    assert far.recv(100) == b'{"text":"x","type":"read"}\n'


def test_only_owner_and_group_may_connect(role: RoleSocket):
    assert role.path.stat().st_mode & 0o777 == 0o660


def test_a_group_this_machine_does_not_have_is_no_obstacle(tmp_path: Path):
    role = RoleSocket(tmp_path / "s", group="no-such-group", max_line_bytes=9, max_unsent_bytes=9)
    assert role.path.exists()
    role.close()
    assert not role.path.exists()


def test_a_socket_left_behind_is_replaced(role: RoleSocket):
    again = RoleSocket(role.path, max_line_bytes=MAX_LINE, max_unsent_bytes=MAX_UNSENT)
    far = connect(again)
    assert again.accept() is not None
    far.close()
    again.close()


def test_a_flood_is_heard_a_few_lines_at_a_time(pair: Pair):
    far, near = pair
    far.setblocking(False)
    sent = far.send(b"x\n" * 20_000)
    near.read()
    heard = 0
    while near.backlog:
        lines = near.lines()
        near.read()  # takes nothing more while lines wait
        assert 0 < len(lines) <= LINES_PER_TURN
        heard += len(lines)
    assert heard <= sent // 2


def test_an_endless_line_is_refused(pair: Pair):
    far, near = pair
    far.sendall(b"x" * (MAX_LINE + 1))
    with pytest.raises(Refused) as caught:
        near.read()
    assert caught.value.code == "too_large"


def test_half_a_line_is_no_line(pair: Pair):
    far, near = pair
    far.sendall(b"x" * MAX_LINE)
    near.read()
    near.read()
    assert near.lines() == []
    assert not near.backlog


def test_what_was_said_before_leaving_is_heard(pair: Pair):
    far, near = pair
    far.sendall(b"last\n")
    far.close()
    near.read()
    near.read()
    assert near.lines() == [b"last"]
    with pytest.raises(ClientGone):
        near.read()


def send_many(near: Client, message: msgspec.Struct, times: int) -> None:
    for _ in range(times):
        near.send(message)


def test_a_client_who_never_reads_is_let_go_and_costs_a_bounded_amount(pair: Pair):
    _, near = pair
    message = SendBatch(last=1, body="x" * 5_000)
    with pytest.raises(ClientGone):
        send_many(near, message, 10_000)
    assert near.wants_to_write
    assert len(near._unsent) <= MAX_UNSENT + 6_000


def test_what_did_not_fit_follows_when_there_is_room(pair: Pair):
    far, near = pair
    near._max_unsent_bytes = 10 << 20
    message = SendBatch(last=1, body="x" * (2 << 20))
    near.send(message)
    assert len(near._unsent) > 0
    received = 0
    while received < len(encode_line(message)):
        received += len(far.recv(1 << 16))
        near.flush()
    assert not near.wants_to_write


def test_sending_to_somebody_who_left_is_noticed(pair: Pair):
    far, near = pair
    far.close()
    with pytest.raises(ClientGone):
        send_many(near, CameraRead(text="x"), 3)


def test_one_client_too_many_is_turned_away(role: RoleSocket):
    far = [connect(role) for _ in range(3)]
    near = [role.accept() for _ in range(3)]
    assert [client is not None for client in near] == [True, True, False]
    assert far[2].recv(1) == b""
    assert near[0] is not None
    role.drop(near[0])
    far.append(connect(role))
    assert role.accept() is not None
    assert role.accept() is None
    for connection in far:
        connection.close()
