"""A door goes into service with its commissioning record, and comes out of it; what units find of themselves."""

import pytest
from sqlalchemy import select

from controller.formats.encoding import canonical
from controller.formats.event import Event
from controller.formats.jwk import make_key
from controller.formats.state import Doctor
from sync.hub.doors import in_service
from sync.hub.doors.in_service import ALWAYS
from sync.hub.doors.readiness import door_readiness
from sync.hub.records.collector import ReadRecord
from sync.hub.store.models import Door
from sync.hub.town.town_file import read_town
from tests.sync.hub.conftest import NOW, TOWN

LATER = 3_600
MUST = TOWN.replace("required = false", "required = true")


def record(reason: str, at: int, kind: str = "commissioning", **detail: object) -> Event:
    return Event(door="a-1", log="0" * 16, seq=1, at=at * 1000, clock="synced", kind=kind, reason=reason, detail=detail)  # type: ignore[arg-type]


@pytest.fixture
def strict(service):
    """A town that wants its doors commissioned; a-1 has a unit."""
    service.apply(read_town(MUST), NOW)
    service.enrol("a-1", make_key().verify_key)
    service.due(NOW)
    return service


def state(service, door: str = "a-1"):
    return service.bench.look(lambda session: in_service.why_not(session, session.get_one(Door, door)))


def checks(service, now: int = NOW) -> dict[str, tuple[bool, str]]:
    found = service.bench.look(lambda session: door_readiness(session, session.get_one(Door, "a-1"), now).checks)
    return {check.condition: (check.ok, check.seen) for check in found}


def test_a_door_lets_renters_in_only_once_it_passed(strict, list_of):
    assert state(strict) == "never commissioned"
    assert ALWAYS in opened(list_of, "a-1").closures
    strict.commissioned("a-1", [record("passed", NOW, keypad_mm=1000)], NOW + 1)
    strict.due(NOW + 2)
    assert state(strict) is None
    assert ALWAYS not in opened(list_of, "a-1").closures


def opened(list_of, door: str):
    return list_of(door)


def test_one_that_fails_later_comes_out_of_service_and_an_old_record_changes_nothing(strict, list_of):
    passed = record("passed", NOW)
    strict.commissioned("a-1", [passed], NOW)
    strict.commissioned("a-1", [record("failed", NOW + LATER, short="floor")], NOW + LATER)
    assert state(strict) == "did not pass: floor"
    strict.commissioned("a-1", [passed], NOW + 2 * LATER)
    assert state(strict) == "did not pass: floor"
    assert checks(strict)["in_service"] == (False, "did not pass: floor")


def test_another_unit_has_to_be_commissioned_anew(strict, list_of):
    strict.commissioned("a-1", [record("passed", NOW)], NOW)
    strict.due(NOW)
    strict.enrol("a-1", make_key().verify_key)
    strict.due(NOW + 1)
    assert state(strict) == "another unit since it was commissioned"
    assert ALWAYS in opened(list_of, "a-1").closures


def test_an_entrance_is_kept_shut_too_and_a_town_may_do_without(strict, service, list_of):
    assert ALWAYS in opened(list_of, "front").closures
    changes = service.apply(read_town(TOWN), NOW + 1)
    assert {change.name for change in changes} >= {"front", "a-1"}
    assert service.apply(read_town(TOWN), NOW + 2) == []
    assert opened(list_of, "front").closures == ()


def test_only_records_about_it_are_parsed_and_only_outcomes_count():
    said = [record(reason, NOW) for reason in ("begun", "relay", "passed", "abandoned")]
    said.append(record("commissioning", NOW, kind="posture"))
    records = [ReadRecord(n, "", canonical(event), None, event) for n, event in enumerate(said, 1)]
    assert [event.reason for event in in_service.told_in(records)] == ["passed"]


@pytest.mark.parametrize(
    ("doctor", "now", "ok", "seen"),
    [
        (None, NOW, True, "never run"),
        ({"relay": "green", "clock": "green"}, NOW, True, "2 checks green"),
        ({"relay": "red", "camera_focus": "red", "usb": "amber"}, NOW, False, "red: relay camera_focus; amber: usb"),
        ({"usb": "amber"}, NOW, True, "amber: usb"),
        ({"relay": "green"}, NOW + 3 * 86_400, False, "3 days ago"),
    ],
)
def test_what_a_unit_finds_of_itself_is_named(service, doctor, now, ok, seen):
    if doctor is not None:
        service.bench.run(NOW, lambda minter: in_service.examined(minter.session, "a-1", Doctor(at=NOW, checks=doctor)))
    assert checks(service, now)["self_test"] == (ok, seen)


def test_a_door_that_was_enrolled_before_this_was_asked_for_stays_in_service(service):
    assert service.bench.look(lambda session: len(session.scalars(select(Door)).all())) > 0
    assert state(service) is None
