"""A pass the hub never issued opened a door: it is known, and its key is worth nothing from then on."""

import pytest

from controller.formats import code_list
from controller.formats.encoding import canonical
from controller.formats.envelope import unverified
from controller.formats.event import CredentialKind, Event, EventKind, Opening
from sync.hub.records.collector import ReadRecord
from sync.hub.records.forged_passes import passes_in
from sync.hub.store.models import Credential
from tests.sync.hub.conftest import NOW, ROOM_A, wish

ISSUED = "0102030405"


def record(kind: EventKind = "granted", credential: CredentialKind = "pass", opening: bool = True) -> ReadRecord:
    opened = Opening(nonce="ab" * 16, grant=f"p-{ISSUED}", credential=ISSUED)
    event = Event(
        door="a-1", log="cd" * 8, seq=1, at=NOW * 1000, clock="synced", kind=kind, reason="granted",
        who=opened.commitment(), credential=credential, detail={},
    )  # fmt: skip
    return ReadRecord(1, "00" * 32, canonical(event), opened if opening else None, event)


def keys_at(service, door: str) -> list[str]:
    return [key.key for key in code_list.parse(unverified(service.list_of(door)).payload).pass_keys]


def test_only_passes_that_opened_alone_are_asked_about():
    records = [record(), record("refused"), record(credential="qr"), record(opening=False)]
    assert passes_in(records) == {ISSUED: 1}
    assert passes_in(records[1:]) == {}


def test_a_forged_pass_rekeys_its_group_and_no_other(service):
    room, other = keys_at(service, "a-1"), keys_at(service, "b-1")
    assert service.passes_used("a-1", {ISSUED}, NOW + 60) == {ISSUED}
    after = keys_at(service, "a-1")
    assert len(after) == 1 and not set(after) & set(room)
    assert keys_at(service, "b-1") == other


def test_a_pass_that_was_issued_changes_nothing(service):
    service.put("booking", "R-1", wish(rooms=(ROOM_A,)), NOW)
    with service.bench._sessions.begin() as session:
        issued = [each.id for each in session.query(Credential) if each.qr_hash is not None]
    before = keys_at(service, "a-1")
    assert service.passes_used("a-1", set(issued), NOW + 60) == set()
    assert keys_at(service, "a-1") == before


@pytest.mark.parametrize("times", [1, 2])
def test_each_forged_pass_is_answered_by_another_key(service, times):
    seen = {tuple(keys_at(service, "a-1"))}
    for number in range(times):
        service.passes_used("a-1", {f"{number:010x}"}, NOW + 60 + number)
        seen.add(tuple(keys_at(service, "a-1")))
    assert len(seen) == times + 1
