"""First come, first served, and no writer of a busy database is ever told that it is locked."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from sync.hub.store.database import open_database
from sync.hub.store.turns import Turns


def test_turns_go_to_whoever_waited_longest():
    turns = Turns()
    order: list[int] = []
    assert turns.take(0)

    def wait(number: int) -> None:
        turns.take(60)
        order.append(number)
        turns.leave()

    threads = []
    for number in range(5):
        waits = threading.Thread(target=wait, args=(number,))
        waits.start()
        while len(turns._waiting) <= number:
            time.sleep(0.001)
        threads.append(waits)
    turns.leave()
    for each in threads:
        each.join()
    assert order == [0, 1, 2, 3, 4]
    assert turns.take(0)


def test_who_gives_up_is_forgotten():
    turns = Turns()
    assert turns.take(0)
    assert not turns.take(0.01)
    turns.leave()
    assert turns.take(0)


def test_a_thread_that_writes_in_a_row_keeps_nobody_waiting(tmp_path):
    """Another one gets its turn every time."""
    sessions = open_database(f"sqlite:///{tmp_path}/hub.db")
    stop = threading.Event()

    def write_in_a_row() -> None:
        while not stop.is_set():
            with sessions.begin() as session:
                session.execute(text("UPDATE services SET name = 'x'"))
                time.sleep(0.005)

    busy = threading.Thread(target=write_in_a_row)
    busy.start()
    try:
        for _ in range(20):
            with sessions.begin() as session:
                session.execute(text("UPDATE services SET name = 'y'"))
    finally:
        stop.set()
        busy.join()


def test_a_transaction_that_fails_ends_its_turn(tmp_path):
    sessions = open_database(f"sqlite:///{tmp_path}/hub.db")
    for _ in range(3):
        with pytest.raises(OperationalError), sessions.begin() as session:
            session.execute(text("no statement"))
    with sessions() as left, sessions.begin() as session:
        left.close()
        session.execute(text("UPDATE services SET name = 'z'"))
