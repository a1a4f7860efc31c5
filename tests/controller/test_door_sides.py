"""The inner side of the door, the badge reader beside ours, and fire."""

import pytest

from controller.door_events import ExitPressed, FaultChanged, Keep, LeafMoved, QrRead, Release, Show
from controller.draft import Draft
from tests.controller.worlds import PIN, Bench, grant, installed, kinds, records, shown, token

TEXT = token()
SIGNED_OUT = [Show("granted", "signed_out")]


def went_in(by_qr: bool = False) -> Bench:
    bench = Bench(installed(grant(qr=TEXT)), inside=frozenset({"second"}))
    bench.qr(TEXT) if by_qr else bench.keys(PIN)
    bench.step(LeafMoved(True))
    bench.step(LeafMoved(False))
    return bench


# ---- readers on the inner side


@pytest.mark.parametrize("symbols", [PIN, "#0" + PIN, "#1" + PIN, "#9" + PIN])
def test_a_pin_at_the_inside_keypad_signs_out_whatever_is_typed_before_it(symbols):
    effects = went_in().keys(symbols, "second")
    assert records(effects) == [Draft("out", None, "g1", "c1", "pin", {"by": "sign_out", "attribution": "explicit"})]
    assert shown(effects) == SIGNED_OUT


@pytest.mark.parametrize("symbols", [PIN, "111111", "12#", "#1" + PIN, "#9" + PIN])
def test_the_inside_keypad_opens_nothing_and_answers_alike(symbols):
    bench = Bench(inside=frozenset({"second"}))
    effects = bench.keys(symbols, "second")
    assert records(effects) == []
    assert shown(effects) == SIGNED_OUT
    assert not {Release, Keep} & set(map(type, effects))


def test_the_inside_keypad_costs_no_try():
    bench = Bench(inside=frozenset({"second"}))
    before = bench.door.tries_left(bench.now())
    for _ in range(20):
        bench.keys("111111", "second")
    assert bench.door.tries_left(bench.now()) == before


def test_a_qr_at_the_inside_scanner_signs_out():
    bench = went_in(by_qr=True)
    effects = bench.step(QrRead(TEXT, inside=True))
    assert kinds(effects) == ["out"], "also within 3 s of being seen outside: that was another reader"
    assert shown(effects) == SIGNED_OUT
    assert bench.step(QrRead(TEXT, inside=True)) == [], "one presentation"


@pytest.mark.parametrize("text", [TEXT, token(number=9), "ZS1:", "https://example.org", ""])
def test_the_inside_scanner_opens_nothing_and_answers_alike(text):
    for bench in (Bench(installed(grant(qr=TEXT))), Bench(installed=None)):
        effects = bench.step(QrRead(text, inside=True))
        assert (records(effects), shown(effects)) == ([], SIGNED_OUT)


# ---- the badge reader that was there before


@pytest.mark.parametrize("sensed", [True, False])
def test_an_opening_by_the_badge_reader_is_neither_forced_nor_an_exit(sensed):
    bench = Bench(handle_sensed=sensed)
    bench.step(FaultChanged("legacy_opened", True))
    bench.wait(2)
    bench.step(FaultChanged("legacy_opened", False))
    bench.wait(3)
    assert records(bench.step(LeafMoved(True))) == [Draft("opened", detail={"by": "legacy"})]
    assert "forced" not in bench.door.faults


def test_long_after_the_badge_an_opening_is_what_it_is():
    bench = Bench(handle_sensed=True)
    bench.step(FaultChanged("legacy_opened", True))
    bench.step(FaultChanged("legacy_opened", False))
    bench.wait(11)
    assert kinds(bench.step(LeafMoved(True)))[0] == "forced"


def test_who_leaves_by_the_button_leaves_also_while_a_badge_is_held_up():
    bench = Bench(handle_sensed=True)
    bench.step(FaultChanged("legacy_opened", True))
    bench.step(ExitPressed())
    assert kinds(bench.step(LeafMoved(True))) == ["out"]


# ---- fire


def test_while_there_is_fire_an_open_door_is_recorded_and_no_alarm():
    bench = Bench(handle_sensed=True)
    assert kinds(bench.step(FaultChanged("fire", True))) == ["fault_raised"]
    assert kinds(bench.step(LeafMoved(True))) == ["forced"]
    bench.wait(600)
    assert not {"forced", "held_open"} & bench.door.faults
    assert "held_open" in kinds(bench.effects)


def test_after_the_fire_alarms_are_back():
    bench = Bench(handle_sensed=True)
    bench.step(FaultChanged("fire", True))
    bench.step(FaultChanged("fire", False))
    bench.step(LeafMoved(True))
    assert "forced" in bench.door.faults


def test_fire_moves_no_lock_and_changes_no_decision():
    bench = Bench()
    assert Release not in map(type, bench.step(FaultChanged("fire", True)))
    assert Release in map(type, bench.keys(PIN))
