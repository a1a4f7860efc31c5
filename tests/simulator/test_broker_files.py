"""The demo's broker is told what the hub wrote, as a real one is by its path unit."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from simulator.broker_files import BrokerFiles
from sync.hub.doors.revocation import ACL
from sync.hub.keys.ca import CRL


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    tls, broker = tmp_path / "tls", tmp_path / "broker"
    tls.mkdir()
    broker.mkdir()
    (tls / CRL).write_bytes(b"first")
    (tls / ACL).write_text("user zs.hub\n")
    return tls, broker


def test_each_of_the_two_files_is_taken_once(folders):
    tls, broker = folders
    told: list[str] = []
    files = BrokerFiles(tls, broker, lambda: told.append((broker / ACL).read_text()), "user zs.tap\n")
    assert not files.look()
    (tls / CRL).write_bytes(b"second")
    assert (files.look(), files.look()) == (True, False)
    (tls / ACL).write_text("user hall-1\n")
    assert files.look()
    assert told == ["user zs.hub\nuser zs.tap\n", "user hall-1\nuser zs.tap\n"]


def test_a_broker_that_could_not_be_told_is_told_again(folders):
    tls, broker = folders
    answers = [OSError("gone"), None]
    told = threading.Event()

    def reload() -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        told.set()

    files = BrokerFiles(tls, broker, reload)
    files.start()
    (tls / CRL).write_bytes(b"second")
    try:
        assert told.wait(30)
    finally:
        files.stop()
    assert answers == []
