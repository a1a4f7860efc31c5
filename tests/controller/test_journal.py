"""A record takes along what is kept with it; what repeats is counted."""

from controller.door_events import Record
from controller.draft import Draft
from controller.journal import Journal
from controller.memory import Memory
from tests.controller.worlds import NOON, at

REFUSED = Draft("refused", "unknown_code", credential="pin")


def test_an_unconfirmed_pulse_goes_with_every_record():
    journal = Journal(Memory(tries=10, pulse_at_ms=5))
    assert journal.record([Draft("closed")], {"tries": 9}) == Record(
        (Draft("closed"),), {"tries": 9, "pulse": 5}, False
    )
    journal.memory.pulse_at_ms = None
    assert journal.records([Draft("closed")]) == [Record((Draft("closed"),), {"pulse": None}, False)]


def test_nothing_to_write_is_no_record():
    assert Journal(Memory(tries=10)).records([]) == []


def test_what_repeats_is_one_record_and_a_count():
    journal = Journal(Memory(tries=10))
    first = journal.note(REFUSED, at(NOON))
    assert [draft for effect in first if isinstance(effect, Record) for draft in effect.drafts] == [REFUSED]
    assert journal.note(REFUSED, at(NOON + 1)) == []
    assert journal.deadline_ms == at(NOON + 60).mono_ms
    assert [draft.detail for draft in journal.due(at(NOON + 60))] == [{"count": 1}]
