"""A PIN given under threat, from the hub that draws it to the alarm it raises, through the door's own state machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.decide import Installed
from controller.door_events import Effect, Record, Release, Show
from controller.eventlog import EventLog
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from sync.hub.artefacts.desk import Desk
from sync.hub.artefacts.house_rules import HouseRules
from sync.hub.booking.answers import Answer, Code
from sync.hub.events.feed import Feed
from sync.hub.keys.keyring import Keyring
from sync.hub.records.collector import read_batch
from sync.hub.records.log_store import LogStore
from sync.hub.service import Service
from sync.hub.store.database import Sessions
from sync.hub.town.clients import Caller
from tests.controller.worlds import Bench, records
from tests.sync.hub.conftest import DAY, HOUR, NOW, ROOM_A, wish
from tests.sync.hub.door_log import DoorLog

FACILITY = Caller("desk", "culture", None, frozenset({"facility"}))
SPORT = Caller("club", "sport", None, frozenset({"facility", "reservations"}))
KEY = make_key()
DOOR = "a-1"


def put(service: Service, kind: str = "facility", ref: str = "S-1", **changes: Any) -> Answer:
    staff = wish(rooms=(ROOM_A,), kind=kind, start=NOW - HOUR, until=NOW + 100 * DAY, **changes)
    answer, _ = service.put("booking", ref, staff, NOW)
    return answer


def pins(answer: Answer) -> tuple[list[Code], list[Code]]:
    """The everyday ones, those for under threat."""
    found = [each for each in answer.credentials if each.method == "pin"]
    return [each for each in found if not each.duress], [each for each in found if each.duress]


# ---- at the hub


@pytest.mark.parametrize("staff", ["facility", "cleaning", "technical", "supplier", "emergency"])
def test_staff_get_a_second_pin_as_far_from_the_first_as_from_any_other(service: Service, list_of, staff: str):
    (usual,), (threat,) = pins(put(service, staff))
    assert usual.pin
    assert threat.pin
    assert len(usual.pin) == len(threat.pin)
    assert sum(a != b for a, b in zip(usual.pin, threat.pin, strict=True)) >= 2
    (grant,) = list_of(DOOR).grants
    assert {each.credential: each.duress for each in grant.pins} == {usual.id: False, threat.id: True}


def test_a_renter_gets_none(service: Service, list_of):
    assert pins(put(service, "renter"))[1] == []
    assert [each.duress for each in list_of(DOOR).grants[0].pins] == [False]


def test_it_is_shown_with_the_codes_and_never_before_or_beside_them(service: Service):
    answer = put(service)
    assert pins(answer)[1][0].pin
    hidden = service.get("booking", "S-1", NOW)
    assert pins(hidden)[1] == []
    later = wish(rooms=("B",), kind="facility", start=NOW + 9 * DAY, until=NOW + 10 * DAY, reveal_s=DAY)
    assert pins(service.put("booking", "S-2", later, NOW)[0])[1] == []


def test_it_is_on_no_sheet(service: Service, sessions: Sessions, keyring: Keyring):
    """Whoever finds the sheet would know which PIN not to use."""
    (usual,), (threat,) = pins(put(service))
    desk = Desk(sessions, keyring, HouseRules())
    sheet = desk.sheet("booking", "S-1", usual.id, NOW)
    assert [each.digits for each in sheet.pins] == [usual.pin]
    with pytest.raises(Refused, match="not_found"):
        desk.sheet("booking", "S-1", threat.id, NOW)


def test_it_goes_with_the_pin_it_belongs_to(service: Service, list_of):
    put(service)
    _, made = service.add_credential("booking", "S-1", "pin", "h-2", NOW)
    answer = service.reveal("booking", "S-1", NOW)
    assert [sorted(str(each.holder) for each in both) for both in pins(answer)] == [["None", "h-2"]] * 2
    service.revoke("booking", "S-1", made, NOW)
    answer = service.reveal("booking", "S-1", NOW)
    assert [[each.holder for each in both] for both in pins(answer)] == [[None], [None]]
    before = {each.id for both in pins(answer) for each in both}
    service.rotate("booking", "S-1", NOW)
    rotated = pins(service.reveal("booking", "S-1", NOW))
    assert [len(both) for both in rotated] == [1, 1]
    assert before.isdisjoint({each.id for both in rotated for each in both})


# ---- at the door, and back


def at_the_door(list_of, pin: str) -> tuple[Bench, list[Effect]]:
    bench = Bench(Installed(list_of(DOOR), "ab" * 32), start_s=NOW)
    return bench, bench.keys(pin)


def deliver(service: Service, sessions: Sessions, bench: Bench, folder: Path, *, twice: bool = False) -> None:
    log = EventLog.open(folder / "log.db", DOOR, lambda size: bytes(range(size)))
    log.append(records(bench.effects), {}, NOW * 1000, "synced", may_hold=False)
    store = LogStore(sessions)
    for _ in range(1 + twice):
        found = log.batch(0, KEY)
        assert found is not None
        store.store([read_batch(found[1], DOOR, KEY.verify_key)], NOW)
        # Nothing was receipted, the disk fails, and everything is told again under another log id.
        other = EventLog.in_memory(DOOR, bytes)
        other.move_to(log)
        log = other
    log.close()


def test_the_door_opens_as_ever_and_the_record_says_it(service: Service, list_of):
    (usual,), (threat,) = pins(put(service))
    (_, as_ever), (_, threatened) = at_the_door(list_of, str(usual.pin)), at_the_door(list_of, str(threat.pin))

    def seen(effects: list[Effect]) -> list[Effect]:
        return [each for each in effects if isinstance(each, Release | Show)]

    assert seen(as_ever) == seen(threatened)
    assert any(isinstance(each, Release) for each in threatened)
    said = [draft.detail.get("duress") for each in threatened if isinstance(each, Record) for draft in each.drafts]
    assert said == [True]


@pytest.mark.parametrize("twice", [False, True])
def test_the_hub_raises_the_alarm_once(service: Service, sessions: Sessions, list_of, tmp_path: Path, twice: bool):
    answer = put(service)
    bench, _ = at_the_door(list_of, str(pins(answer)[1][0].pin))
    deliver(service, sessions, bench, tmp_path, twice=twice)
    feed = Feed(service, LogStore(sessions))
    (alarm,) = [each for each in feed.page(FACILITY, 0, 500)[0] if each.type == "alarm.duress"]
    assert (alarm.door, alarm.grant, alarm.detail["what"]) == (DOOR, answer.grant, "granted")
    assert [(each.door, each.grant) for each in service.alarms(FACILITY, NOW)] == [(DOOR, answer.grant)]
    assert service.alarms(FACILITY, NOW + 2 * DAY) == []
    assert service.alarms(SPORT, NOW) == []
    assert not [each for each in feed.page(SPORT, 0, 500)[0] if each.type == "alarm.duress"]


def test_a_log_that_forks_is_on_the_list(service: Service, sessions: Sessions):
    one, other = DoorLog(door=DOOR, signing=KEY), DoorLog(door=DOOR, signing=KEY)
    one.add(2)
    other.add(2, note="elsewhere")
    store = LogStore(sessions)
    for log in (one, other):
        store.store([read_batch(log.batch(1, 2), DOOR, KEY.verify_key)], NOW)
    assert [(each.type, each.door) for each in service.alarms(FACILITY, NOW)] == [("alarm.fork", DOOR)]
    assert service.alarms(SPORT, NOW) == [], "somebody else's door"
    assert service.alarms(FACILITY, NOW + 2 * DAY) == []


def test_an_everyday_pin_raises_none(service: Service, sessions: Sessions, list_of, tmp_path: Path):
    bench, _ = at_the_door(list_of, str(pins(put(service))[0][0].pin))
    deliver(service, sessions, bench, tmp_path)
    assert service.alarms(FACILITY, NOW) == []
