"""The turns of the link's worker, without a broker: what fails loses nothing, keeps nobody waiting, and comes again in
the order in which it came. An older state after a newer one would say of a list at its door that it is not there."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from controller.formats import jwe
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.event import BATCH_TYP, Event, Opening
from controller.formats.jwk import make_key
from controller.formats.state import STATE_TYP
from sync.hub import link as link_module
from sync.hub.keys.ca import make_tls
from sync.hub.keys.link_keys import LinkKeys
from sync.hub.link import HubLink, _Arrived
from sync.hub.records.collector import read_batch
from tests.sync.hub.conftest import DAY, HOUR, NOW, report, wish
from tests.sync.hub.door_log import DoorLog

KEY, COLLECT = make_key(), jwe.make_key()


class Service:
    """Keeps what it was told, after so many failures."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.versions: list[int] = []
        self.asked: list[set[str]] = []

    def passes_used(self, _door, credentials, _now, /):
        self.asked.append(set(credentials))
        return credentials & {"c1"}

    def event_keys(self, doors, /):
        return dict.fromkeys(doors, KEY.verify_key)

    def doors_reported(self, reports, _at, /):
        if self.failures:
            raise self.failures.pop()
        if any(each.list_version == 13 for each in reports):
            raise ValueError("a bug that this very report shows")
        self.versions += [each.list_version for each in reports]
        return []


@pytest.fixture
def taken():
    return Service()


@pytest.fixture
def acked() -> list[int]:
    return []


@pytest.fixture
def hub(taken, acked, sessions, tmp_path, monkeypatch):
    monkeypatch.setattr(link_module, "DUE_S", 0.0)
    make_tls(tmp_path, ["localhost"], datetime.now(UTC))
    settings = SimpleNamespace(
        mqtt=SimpleNamespace(host="localhost", port=1), folders=SimpleNamespace(tls=tmp_path, keys=tmp_path)
    )
    made = HubLink(settings, taken, LinkKeys(make_key(), make_key(), COLLECT), sessions)
    client = SimpleNamespace(ack=lambda packet, _qos: acked.append(packet), is_connected=lambda: False)
    monkeypatch.setattr(made, "_client", client)
    return made


def arrives(hub: HubLink, *versions: int) -> None:
    for version in versions:
        body = seal(canonical(report("a-1", version)), STATE_TYP, KEY)
        hub._arrived.put(_Arrived(0, version, "a-1", "state", body))


def opened_by_pass(log: DoorLog, credential: str) -> None:
    """One more record: a pass opened by itself."""
    seq = len(log.events) + 1
    opening = Opening(nonce=f"{seq:032x}", grant=f"p-{credential}", credential=credential)
    event = Event(
        door=log.door, log=log.log, seq=seq, at=NOW * 1000, clock="synced", kind="granted",
        who=opening.commitment(), credential="pass", detail={},
    )  # fmt: skip
    log.append(canonical(event), opening)


def sends(hub: HubLink, collect: jwe.DecryptKey, log: DoorLog, first: int, last: int) -> None:
    body = jwe.encrypt(log.batch(first, last), BATCH_TYP, collect.encrypt_key)
    hub._arrived.put(_Arrived(0, 1, log.door, "events", body.encode()))


def turn(hub: HubLink) -> None:
    hub._attempt(hub._take(0))


def test_what_the_database_would_not_take_comes_before_what_came_since(hub, taken, acked):
    taken.failures.append(OperationalError("UPDATE", None, OSError("database is locked")))
    arrives(hub, 1, 2)
    turn(hub)
    assert (taken.versions, acked) == ([], [])
    arrives(hub, 3)
    turn(hub)
    assert (taken.versions, acked) == ([1, 2, 3], [1, 2, 3])


def test_one_that_cannot_be_handled_costs_nobody_elses(hub, taken, acked):
    arrives(hub, 11, 12, 13, 14)
    turn(hub)
    assert taken.versions == [11, 12, 14]
    assert acked == [11, 12, 13, 14], "it would fail for ever and fill the broker's window"


def test_a_report_waits_a_moment_for_those_of_other_doors(hub, taken, monkeypatch):
    """A turn costs more than what it takes in."""
    monkeypatch.setattr("sync.hub.link.time.sleep", lambda _s: arrives(hub, 2, 3))
    arrives(hub, 1)
    turn(hub)
    assert taken.versions == [1, 2, 3]


def test_both_at_once(hub, taken):
    """A bug in one message, and while they are tried one by one the database goes away: still in order."""
    arrives(hub, 11, 13, 14)
    taken.failures += [OperationalError("UPDATE", None, OSError("gone")), ValueError("a bug")]
    turn(hub)
    assert taken.versions == []
    turn(hub)
    assert taken.versions == [11, 14]


def test_an_older_state_from_another_process_changes_nothing(service, list_of):
    """Hub processes share the doors' messages, and the slower one may have had the earlier."""
    service.due(NOW)
    before = list_of("a-1").version
    service.door_reported("a-1", report("a-1", before), NOW)
    service.put("booking", "R-1", wish(), NOW)
    held = list_of("a-1").version
    service.door_reported("a-1", report("a-1", held, NOW + 2), NOW + 2)
    service.door_reported("a-1", report("a-1", before, NOW + 1), NOW + 2)
    assert service.get("booking", "R-1", NOW + 3).delivery["a-1"] == "applied"


def test_a_door_whose_clock_went_back_is_believed(service, list_of):
    """A card that lost its list says so with whatever clock it has."""
    service.due(NOW)
    service.put("booking", "R-1", wish(start=NOW + HOUR), NOW)
    service.door_reported("a-1", report("a-1", list_of("a-1").version), NOW)
    service.door_reported("a-1", report("a-1", 0, NOW - DAY), NOW + 2)
    assert service.get("booking", "R-1", NOW + 3).delivery["a-1"] == "queued"


def test_a_forged_pass_is_answered_once_also_when_the_process_died_in_between(hub, taken):
    log = DoorLog(door="a-1", signing=KEY)
    opened_by_pass(log, "c1")
    hub._store.store([read_batch(log.batch(1, 1), "a-1", KEY.verify_key)], NOW)  # and here it died
    for _ in range(2):
        sends(hub, COLLECT, log, 1, 1)
        turn(hub)
    assert taken.asked == [{"c1"}]
    assert [(each.code, each.log, each.seq, each.count) for each in hub._store.incidents("a-1")] == [
        ("forged_pass", log.log, 1, 1)
    ]
    opened_by_pass(log, "c1")
    opened_by_pass(log, "c2")
    sends(hub, COLLECT, log, 1, 3)
    turn(hub)
    assert taken.asked == [{"c1"}, {"c1", "c2"}]
