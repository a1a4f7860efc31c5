"""The cable: bytes go through, and stop when it is cut."""

import socket
import threading

import pytest

from simulator.cable import Cable
from simulator.ports import free_port
from tests.hal.bench import eventually


@pytest.fixture
def echo_port():
    """A broker that says back what it hears."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65_536):
                connection.sendall(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def cable(echo_port):
    cable = Cable(("127.0.0.1", echo_port))
    yield cable
    cable.close()


def dial(cable: Cable) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cable.port), timeout=5)


def hear(connection: socket.socket, count: int) -> bytes:
    heard = b""
    while len(heard) < count and (data := connection.recv(65_536)):
        heard += data
    return heard


def works(cable: Cable) -> bool:
    try:
        with dial(cable) as door:
            door.sendall(b"ping")
            return hear(door, 4) == b"ping"
    except OSError:
        return False


def test_bytes_go_both_ways_unchanged(cable):
    sent = bytes(range(256)) * 4096
    with dial(cable) as door:
        threading.Thread(target=door.sendall, args=(sent,)).start()
        assert hear(door, len(sent)) == sent


def test_a_cut_drops_connections_and_refuses_new_ones(cable):
    with dial(cable) as door:
        door.sendall(b"ping")
        assert hear(door, 4) == b"ping"
        cable.cut()
        assert door.recv(1) == b""
    assert not cable.whole
    with pytest.raises(ConnectionRefusedError):
        dial(cable)


def test_mended_it_carries_again_on_the_same_port(cable):
    for _ in range(3):
        cable.cut()
        cable.cut()
        cable.mend()
        cable.mend()
        assert cable.whole
        assert works(cable)


def test_a_silent_cut_swallows_everything_and_says_nothing(cable):
    with dial(cable) as old:
        old.sendall(b"ping")
        assert hear(old, 4) == b"ping"
        cable.cut(silent=True)
        with dial(cable) as new:
            for door in (old, new):
                door.sendall(b"lost")
                door.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    door.recv(1)
            cable.mend()
            for door in (old, new):
                door.settimeout(5)
                assert door.recv(1) == b"", "a stream with a hole must not go on"
    assert works(cable)


def test_without_a_broker_the_door_sees_a_closed_connection():
    cable = Cable(("127.0.0.1", free_port()))
    with dial(cable) as door:
        assert door.recv(1) == b""
    cable.close()


def test_a_hang_up_reaches_the_other_end(cable):
    with dial(cable) as door:
        door.sendall(b"ping")
        assert hear(door, 4) == b"ping"
        door.shutdown(socket.SHUT_WR)
        assert door.recv(1) == b""
    assert eventually(lambda: not cable._ends)


def test_close_frees_the_port(echo_port):
    cable = Cable(("127.0.0.1", echo_port))
    cable.close()
    Cable(("127.0.0.1", echo_port), cable.port).close()
