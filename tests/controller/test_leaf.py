"""Who goes through the door, as contact and exit button tell it (R002-10)."""

from controller.door_events import (
    ExitPressed,
    LeafMoved,
    Record,
)
from controller.draft import Draft
from tests.controller.worlds import (
    NOON,
    PIN,
    TEXT,
    Bench,
    grant,
    installed,
    kinds,
    records,
    shown,
)


def test_in_by_the_leaf_counts_the_use():
    bench = Bench(installed(grant(max_uses=1)))
    bench.keys(PIN)
    (record,) = bench.step(LeafMoved(True))
    assert isinstance(record, Record)
    assert record.drafts == (Draft("in", None, "g1", "c1", "pin", {"leaf": "opened"}),)
    assert record.kept["use:g1"] == (1, NOON)
    bench.step(LeafMoved(False))
    assert shown(bench.keys(PIN))[-1].reason == "used_up"


def test_two_presentations_before_one_opening_are_one_use():
    bench = Bench(installed(grant(qr=TEXT, max_uses=2)))
    bench.qr(TEXT)
    bench.wait(4)
    bench.qr(TEXT)
    assert kinds(bench.step(LeafMoved(True))) == ["in"]
    assert bench.door.memory.uses == {"g1": 1}


def test_without_a_contact_granted_counts_as_in():
    bench = Bench(installed(grant(max_uses=1)), contact=False)
    (draft,) = records(bench.keys(PIN)[2:])
    assert draft.detail == {"kind": "renter", "contact": "none"}
    assert shown(bench.keys(PIN))[-1].reason == "used_up"
    bench.wait(60)
    assert "no_entry" not in kinds(bench.effects)


def test_without_a_contact_the_exit_button_is_the_out():
    bench = Bench(contact=False)
    bench.keys(PIN)
    bench.wait(30)
    (out,) = records(bench.step(ExitPressed()))
    assert out == Draft("out", None, "g1", "c1", "pin", {"by": "button", "contact": "none", "attribution": "inferred"})
    assert bench.step(ExitPressed()) == []


def test_nobody_through_in_time():
    bench = Bench()
    bench.keys(PIN)
    assert records(bench.wait(10)) == [Draft("no_entry", None, "g1", "c1", "pin")]


def test_an_out_by_the_handle_is_inferred_or_nobodys():
    bench = Bench(installed(grant("g1"), grant("g2", pin="111111")))
    for pin, how in ((PIN, "inferred"), ("111111", "none")):
        bench.keys(pin)
        bench.step(LeafMoved(True))
        bench.step(LeafMoved(False))
        (out,) = records(bench.step(LeafMoved(True)))
        bench.step(LeafMoved(False))
        assert (out.kind, out.detail) == ("out", {"by": "handle", "attribution": how})
        assert out.grant == ("g1" if how == "inferred" else None)


def test_who_comes_in_is_not_who_goes_out_by_the_same_opening():
    bench = Bench()
    bench.keys(PIN)
    bench.step(ExitPressed())
    entered, left = records(bench.step(LeafMoved(True)))
    assert (entered.kind, entered.grant) == ("in", "g1")
    assert (left.kind, left.grant, left.detail["attribution"]) == ("out", None, "none")


def test_forced_is_a_fault_until_the_leaf_is_shut():
    bench = Bench(handle_sensed=True)
    assert kinds(bench.step(LeafMoved(True))) == ["forced", "fault_raised"]
    assert bench.door.faults == {"forced"}
    assert kinds(bench.step(LeafMoved(False))) == ["closed", "fault_cleared"]


def test_held_open_is_a_fault_until_the_leaf_is_shut():
    bench = Bench()
    bench.step(LeafMoved(True))
    assert kinds(bench.wait(120)) == ["held_open", "fault_raised"]
    assert kinds(bench.wait(600)) == []
    assert kinds(bench.step(LeafMoved(False))) == ["closed", "fault_cleared"]


def test_no_opening_goes_unrecorded():
    for sensed in (True, False):
        bench = Bench(handle_sensed=sensed)
        assert records(bench.step(LeafMoved(True)))
