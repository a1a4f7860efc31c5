"""The card of the simulated world: what it lied about comes back in every way that a real card's writes do."""

from __future__ import annotations

import random
from typing import Any

from controller.draft import Draft
from controller.formats.jwk import make_key
from simulator.simulated_disk import Fuse, SimulatedDisk

LIST = b"an envelope of some length"


def after_a_lie(seed: int) -> tuple[int, bytes | None]:
    """A list and a record are written, then a list and four records that the card lies about; the power goes. Which
    record is the last one then, and what is left of the new list."""
    disk = SimulatedDisk(Fuse(), make_key(), random.Random(seed).randbytes)
    log = disk.open_log("hall-1")
    disk.write_list("old", LIST)
    note(log)
    disk.lie()
    disk.write_list("new", LIST)
    for _ in range(4):
        note(log)
    disk.power_returns()
    assert disk.lied
    assert disk.read_list("old") == LIST
    left = disk.read_list("new") if disk.list_count == 2 else None
    assert disk.list_lost == (left != LIST)
    return disk.open_log("hall-1").end.seq, left


def note(log: Any) -> None:
    log.append([Draft("clock", "synced")], {}, 1_000, "synced", may_hold=False)


def test_what_it_lied_about_is_dropped_torn_or_there_without_what_came_before_it() -> None:
    left = {after_a_lie(seed) for seed in range(80)}
    assert {seq for seq, _ in left} == {1, 2, 3, 4, 5}
    assert {new for _, new in left} == {None, LIST[: len(LIST) // 2], LIST}
    assert (5, None) in left  # reordered: the last record is there, the list written before it is not


def test_a_card_that_keeps_its_word_loses_nothing() -> None:
    disk = SimulatedDisk(Fuse(), make_key(), random.Random(1).randbytes)
    log = disk.open_log("hall-1")
    note(log)
    disk.write_list("old", LIST)
    disk.power_returns()
    assert not disk.lied and not disk.list_lost
    assert disk.open_log("hall-1").end.seq == 1
    assert disk.read_list("old") == LIST
