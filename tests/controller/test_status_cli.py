"""What a person at the prompt sees of a unit."""

from io import StringIO
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from controller import status_cli
from controller.formats.messages import Status
from controller.status_cli import picture
from tests.controller.display.states import NOON_S, public, refused

WELL = Status(
    door="hall-1", at=NOON_S * 1000, clock="synced", list_version=7, list_hash="ab" * 32,
    valid_until=NOON_S + 86_400 * 20, grants=3, trust_version=1, log="5c", seq=9, receipt_seq=9, unsent=0,
    posture="controlled", tries=10, inside=1, faults=(), linked=True, released=False,
)  # fmt: skip


def seen(status: Status, shown=None) -> str:
    screen = StringIO()
    Console(file=screen, width=160).print(picture(status, shown))
    text = screen.getvalue()
    assert len(text.splitlines()) < 24, "more than a screen"
    return text


def test_a_unit_that_is_well():
    text = seen(WELL, public())
    for words in ("no faults", "Feestzaal", "secured", "linked", "20.0", "synced"):
        assert words in text


def test_what_is_wrong_is_said_in_words():
    text = seen(replace(WELL, faults=("clock", "offline"), clock="floor", linked=False, unsent=4, tries=0))
    for words in ("FAULTS: clock, offline", "not linked", "floor"):
        assert words in text
    assert "every code is refused" in seen(replace(WELL, list_version=None, valid_until=None))


def test_a_list_without_end_is_shown():
    assert "valid until" in seen(replace(WELL, valid_until=1 << 40), public(occupied_until=1 << 40))


def test_what_the_screen_shows_is_there_but_no_digit():
    assert "refused too_late" in seen(WELL, refused("too_late"))
    assert "3 digits typed" in seen(WELL, public(digits=3))


@pytest.mark.parametrize(("open", "word"), [(True, "open"), (False, "closed"), (None, "not known")])
def test_the_leaf_is_open_or_closed_or_nothing_tells(open, word):
    assert f"leaf {word}" in " ".join(seen(replace(WELL, leaf_open=open)).replace("│", " ").split())


def test_a_door_that_cannot_know_does_not_call_its_room_free():
    assert "not known" in seen(WELL, public(bookings=False))
    assert "commissioned no" in " ".join(seen(WELL).replace("│", " ").split())


def test_for_machines_a_line_for_every_change_but_the_time(monkeypatch):
    later = replace(WELL, at=WELL.at + 1)
    answers = iter([WELL, later, replace(later, unsent=1)])
    monkeypatch.setattr(status_cli, "ask_status", lambda _sockets: next(answers))
    monkeypatch.setattr(status_cli, "sleep", lambda _seconds: None)
    heard: list[Status] = []
    with pytest.raises(StopIteration):
        status_cli.stream(Path(), heard.append)
    assert [status.unsent for status in heard] == [0, 1]


def test_who_may_not_see_the_screen_still_sees_the_unit(monkeypatch, tmp_path):
    monkeypatch.setattr(status_cli, "ask_status", lambda _sockets: WELL)
    screen = StringIO()
    Console(file=screen, width=160).print(status_cli.once(tmp_path))
    assert "hall-1" in screen.getvalue() and "room" not in screen.getvalue()
