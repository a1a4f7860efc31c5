"""What comes of a verdict: effects in their order, and nothing of a grant that could not be recorded."""

import pytest

from controller.answer import SHOWN_MS
from controller.door_events import (
    Derive,
    Hold,
    Keep,
    LeafMoved,
    NotRecorded,
    Record,
    Release,
    Released,
    Show,
)
from controller.draft import Draft
from tests.controller.worlds import (
    DAY,
    KDF,
    NOON,
    PIN,
    STAFF,
    STAFF_PIN,
    TEXT,
    WRONG,
    Bench,
    grant,
    installed,
    kinds,
    opens,
    records,
    shown,
    types_of,
)

# ---- the order of effects


def test_a_right_pin_is_kept_derived_recorded_released_shown():
    bench = Bench()
    effects = bench.keys(PIN)
    assert types_of(effects) == [Derive, Keep, Record, Release, Show]
    derive, keep, record, release, show = effects
    assert keep == Keep({"tries": 9})
    assert isinstance(derive, Derive)
    assert derive.kdf == KDF
    assert isinstance(record, Record)
    assert record.opening_door
    assert record.drafts == (Draft("granted", None, "g1", "c1", "pin", {"kind": "renter"}),)
    assert record.kept == {"tries": 10, "pulse": NOON * 1000}
    assert (release, show) == (Release(5), Show("granted"))


def test_a_qr_is_recorded_released_shown_and_costs_no_try():
    bench = Bench(installed(grant(qr=TEXT)))
    effects = bench.qr(TEXT)
    assert types_of(effects) == [Record, Release, Show]
    assert bench.door.tries_left(bench.now()) == 10


def test_a_wrong_pin_is_refused_and_nothing_of_it_is_written():
    bench = Bench()
    effects = bench.keys(WRONG)
    assert types_of(effects) == [Derive, Keep, Record, Show]
    assert records(effects) == [Draft("refused", "unknown_code", credential="pin")]
    assert shown(effects) == [Show("refused", "unknown_code")]
    assert WRONG not in repr(effects)


def test_the_answer_ends_and_the_door_looks_idle_again():
    bench = Bench()
    bench.keys(WRONG)
    assert bench.door.shown.signal == "refused"
    assert bench.wait(SHOWN_MS / 1000) == [Show("idle")]


def test_a_hidden_pin_shows_exactly_what_an_unknown_one_shows():
    far = grant(windows=((NOON + 3 * DAY, NOON + 4 * DAY),))
    known, unknown = Bench(installed(far)), Bench(installed(far))
    assert shown(known.keys(PIN)) == shown(unknown.keys(WRONG))
    assert types_of(known.effects) == types_of(unknown.effects)


def test_a_near_pin_is_told_when():
    bench = Bench(start_s=NOON - 900)
    assert shown(bench.keys(PIN)) == [Show("refused", "too_early", NOON)]


# ---- grants that could not be recorded


@pytest.mark.parametrize("contact", [True, False])
def test_an_unrecorded_grant_leaves_no_trace(contact: bool):
    bench = Bench(installed(grant(max_uses=1)), contact=contact)
    bench.keys(PIN)
    assert shown(bench.step(NotRecorded())) == [Show("fault")]
    assert bench.door.memory.pulse_at_ms is None
    assert bench.door.memory.uses == {}
    assert bench.door.memory.inside == {}
    assert bench.door.tries_left(bench.now()) == 9
    assert "no_entry" not in kinds(bench.wait(60))
    assert opens(bench.keys(PIN))


def test_an_unrecorded_grant_does_not_take_another_ones_entry_along():
    bench = Bench(installed(grant(qr=TEXT), grant("g2", pin="111111")))
    bench.qr(TEXT)
    bench.step(Released())
    bench.keys("111111")
    bench.step(NotRecorded())
    assert [d.grant for d in records(bench.step(LeafMoved(True)))] == ["g1"]


def test_an_unrecorded_unlocking_leaves_the_door_controlled():
    bench = Bench(installed(STAFF))
    (_, _, record, hold, _) = bench.keys("*#1" + STAFF_PIN)
    assert isinstance(record, Record)
    assert record.opening_door
    assert hold == Hold(True)
    bench.step(NotRecorded())
    assert bench.door.posture(bench.now()).state == "controlled"
