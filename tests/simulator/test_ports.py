import socket

import pytest

from simulator import ports
from simulator.ports import free_port


def test_a_port_is_given_once_and_lies_below_what_the_kernel_gives_away() -> None:
    given = [free_port() for _ in range(50)]
    assert len(set(given)) == 50
    assert all(port in ports.RANGE and port < 32_768 for port in given)


def test_a_port_at_which_somebody_listens_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = free_port(), free_port()
    monkeypatch.setattr(ports, "_candidates", iter((taken, free)))
    with socket.create_server(("127.0.0.1", taken)):
        assert free_port() == free


def test_where_every_port_is_taken_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = free_port()
    monkeypatch.setattr(ports, "RANGE", range(taken, taken + 1))
    monkeypatch.setattr(ports, "_candidates", iter([taken]))
    with socket.create_server(("127.0.0.1", taken)), pytest.raises(OSError, match=f"from {taken} to {taken} is taken"):
        free_port()
