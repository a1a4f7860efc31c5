"""From entries to reservations: idempotent, in order of their sequence, one bad item hurting no other."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from sync.hub.adapters.entry import Rejected
from sync.hub.adapters.intake import entry_of
from sync.hub.store.models import ApiEntry
from tests.sync.hub.adapters.test_entry import entry
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A

SOON = ((NOW + DAY, NOW + DAY + HOUR),)
LATER = ((NOW + 2 * DAY, NOW + 2 * DAY + HOUR),)


def results(outcomes):
    return [outcome.result for outcome in outcomes]


def test_new_changed_and_unchanged(intake, service):
    first = entry(windows=SOON)
    assert results(intake.take([first], NOW)) == ["created"]
    assert results(intake.take([first], NOW + 60)) == ["unchanged"]
    assert results(intake.take([replace(first, windows=LATER)], NOW)) == ["changed"]
    answer = service.get("booking", "W-12", NOW)
    assert answer.revision == 2
    assert {opening.start for opening in answer.openings} == {LATER[0][0] - 900}


def test_a_repeated_entry_reads_no_code(intake, sessions):
    intake.take([entry(windows=SOON)], NOW)

    def entries() -> int:
        with sessions.begin() as session:
            return len(session.scalars(select(ApiEntry)).all())

    before = entries()
    intake.take([entry(windows=SOON)] * 3, NOW)
    assert entries() == before


def test_what_is_refused_stands_in_nobodys_way(intake):
    items = [
        entry(ref="W-1", windows=SOON),
        Rejected("row 3", None, "bad_request", "no date"),
        entry(where="row 4", ref="W-2", windows=SOON),
        entry(where="row 5", ref="W-3", rooms=("attic",), windows=SOON),
        entry(where="row 6", ref="W-4", windows=LATER),
    ]
    outcomes = intake.take(items, NOW)
    assert results(outcomes) == ["created", "refused", "refused", "refused", "created"]
    assert [outcome.code for outcome in outcomes] == [None, "bad_request", "overlap", "unknown_room", None]
    assert outcomes[2].where == "row 4"


def test_an_older_version_does_not_undo_a_newer_one(intake):
    assert results(intake.take([entry(sequence=3, windows=LATER)], NOW)) == ["created"]
    assert results(intake.take([entry(sequence=2, windows=SOON)], NOW)) == ["older"]
    assert results(intake.take([entry(sequence=3, windows=SOON)], NOW)) == ["changed"]


def test_a_cancellation_needs_no_room_and_holds_once(intake, service):
    intake.take([entry(windows=SOON)], NOW)
    cancelled = entry(state="cancelled", rooms=(), windows=())
    assert results(intake.take([cancelled], NOW)) == ["changed"]
    assert service.get("booking", "W-12", NOW).state == "cancelled"
    assert results(intake.take([cancelled], NOW)) == ["unchanged"]
    assert [outcome.code for outcome in intake.take([entry(windows=SOON)], NOW)] == ["bad_request"]


def test_what_is_over_or_was_never_known_makes_no_reservation(intake):
    past = entry(ref="W-1", windows=((NOW - 2 * HOUR, NOW - HOUR),))
    gone = entry(ref="W-2", state="cancelled", rooms=(), windows=())
    assert results(intake.take([past, gone], NOW)) == ["over", "over"]
    assert intake.held() == {}


def test_when_every_coming_time_is_called_off_the_grant_sleeps_and_can_wake(intake, service):
    intake.take([entry(windows=SOON)], NOW)
    assert results(intake.take([entry(windows=())], NOW)) == ["changed"]
    assert service.get("booking", "W-12", NOW).state == "suspended"
    assert results(intake.take([entry(windows=())], NOW)) == ["unchanged"]
    assert results(intake.take([entry(windows=LATER)], NOW)) == ["changed"]
    assert service.get("booking", "W-12", NOW).state == "active"
    assert results(intake.take([entry(windows=())], LATER[0][1])) == ["over"]


def test_a_reservation_reads_back_as_the_entry_that_made_it(intake):
    made = entry(windows=SOON, sequence=5, correlation={"event": "e-1"}, kind="cleaning", holder_kind="staff")
    intake.take([made], NOW)
    assert entry_of(intake.held()["W-12"], made.where) == made


def test_another_client_has_reservations_of_its_own(intake, service, sessions):
    other = replace(intake, client="club")
    assert results(other.take([entry(rooms=("gym",), windows=SOON)], NOW)) == ["created"]
    assert results(intake.take([entry(rooms=(ROOM_A,), windows=SOON)], NOW)) == ["created"]
    assert results(other.take([entry(ref="W-13", rooms=(ROOM_A,), windows=LATER)], NOW)) == ["refused"]


@pytest.mark.parametrize("state", ["pending", "suspended"])
def test_states_are_taken_over(intake, service, state):
    intake.take([entry(state=state, windows=SOON)], NOW)
    assert service.get("booking", "W-12", NOW).state == state
