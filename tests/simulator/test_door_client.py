"""What the simulator asks a unit, against the controller's own sockets in miniature."""

import socket
import threading

import pytest

from controller.formats.messages import AskStatus, PublicState, decode_line, encode_line
from simulator.door_client import DoorClient

PUBLIC = PublicState(
    door="hall-1", at=1, languages=("nl",), help="", room="", time_zone="Europe/Brussels", leave={},
    occupied_until=None, occupied_from=None, shown="idle", shown_at=1, reason=None, opens_at=None, incident=None,
    digits=0, wait_s=None, faults=(),
)  # fmt: skip


@pytest.fixture
def unit(tmp_path):
    """Answers one caller on a socket with the given bytes; returns what the caller said."""
    listeners = []

    def answer(role: str, reply: bytes, listen: bool) -> list[bytes]:
        heard: list[bytes] = []
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listeners.append(listener)
        listener.bind(str(tmp_path / f"{role}.sock"))
        listener.listen()

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                if listen:
                    heard.append(caller.recv(1000))
                for start in range(0, len(reply), 7):  # in pieces
                    caller.sendall(reply[start : start + 7])

        threading.Thread(target=serve, daemon=True).start()
        return heard

    yield answer
    for listener in listeners:
        listener.close()


def test_the_public_state_is_read_without_a_word(unit, tmp_path):
    unit("display", encode_line(PUBLIC) + encode_line(PUBLIC), listen=False)
    assert DoorClient(tmp_path).public() == PUBLIC


def test_staff_ask_and_a_controller_that_hangs_up_is_an_error(unit, tmp_path):
    heard = unit("admin", b"", listen=True)
    with pytest.raises(ConnectionError, match="hung up"):
        DoorClient(tmp_path).status()
    assert decode_line(heard[0].strip(), AskStatus, "admin.sock") == AskStatus()


def test_a_controller_that_is_away_is_an_oserror(tmp_path):
    with pytest.raises(OSError, match=r"No such file|Connection refused"):
        DoorClient(tmp_path).answers()
