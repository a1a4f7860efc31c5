"""The number on a refusal."""

from controller.formats.event import Event, EventKind
from controller.formats.incident import incident_number
from controller.incidents import Incidents


def record(seq: int, kind: EventKind = "refused") -> Event:
    return Event(door="hall-1", log="00112233445566aa", seq=seq, at=0, clock="synced", kind=kind, detail={})


def number(seq: int) -> str:
    return incident_number("hall-1", "00112233445566aa", seq)


def test_it_names_the_record_that_begins_the_minute():
    incidents = Incidents("hall-1")
    incidents.recorded(record(7))
    assert incidents.number is None
    incidents.refused(1_000)
    assert incidents.number == number(7)


def test_a_refusal_for_another_reason_within_the_minute_looks_no_different():
    incidents = Incidents("hall-1")
    incidents.recorded(record(7))
    incidents.refused(1_000)
    incidents.recorded(record(8))
    incidents.refused(60_999)
    assert incidents.number == number(7)
    incidents.refused(61_000)
    assert incidents.number == number(8)


def test_it_names_a_refusal_and_nothing_else():
    """What was refused may have been counted with others, and something else recorded meanwhile."""
    incidents = Incidents("hall-1")
    incidents.recorded(record(7))
    incidents.recorded(record(8, "out"))
    incidents.refused(1_000)
    assert incidents.number == number(7)
