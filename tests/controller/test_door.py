"""The door as a whole: what it wants done, in which order, whatever happens."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.door_events import (
    ClockNoted,
    CommissionAsked,
    Derive,
    Effect,
    ExitPressed,
    FaultChanged,
    Hold,
    Keep,
    KeyPressed,
    LeafMoved,
    ListInstalled,
    ListRefused,
    NotRecorded,
    PinDerived,
    QrRead,
    Record,
    Refusal,
    Release,
    Released,
    Show,
    StorageHealed,
    Tick,
    TrustTaken,
)
from controller.draft import Draft
from controller.formats.code_list import PinEntry, PinKdf, Policy
from controller.memory import Memory
from controller.posture import Posture as Stance
from tests.controller.worlds import (
    DAY,
    HOUR,
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
    listed,
    opens,
    records,
    shown,
    token,
    types_of,
    verifier_of,
)

# ---- PIN tries


def test_wrong_pins_empty_the_bucket_and_an_alarm_is_raised_once():
    bench = Bench()
    effects = [effect for _ in range(12) for effect in bench.keys(WRONG)]
    assert [keep.kept["tries"] for keep in effects if isinstance(keep, Keep)] == list(range(9, -1, -1))
    assert bench.door.tries_left(bench.now()) == 0
    assert shown(effects)[-1] == Show("wait", "locked_out")
    bench.wait(1)
    assert [d.reason for d in records(bench.effects) if d.kind == "fault_raised"] == ["pin_tries"]
    bench.wait(1_800)
    assert [d.reason for d in records(bench.effects) if d.kind == "fault_cleared"] == ["pin_tries"]
    assert opens(bench.keys(PIN))


def test_the_last_try_may_be_the_right_one_without_an_alarm():
    bench = Bench(memory=Memory(tries=1))
    assert opens(bench.keys(PIN))
    bench.wait(10)
    assert "fault_raised" not in kinds(bench.effects)


def test_an_empty_bucket_stops_pins_but_no_qr_no_sign_out_and_no_exit():
    bench = Bench(installed(grant(qr=TEXT)), memory=Memory(tries=0))
    assert shown(bench.keys(PIN))[-1] == Show("wait", "locked_out")
    assert opens(bench.qr(TEXT))
    bench.step(LeafMoved(True))
    bench.step(LeafMoved(False))
    assert kinds(bench.keys("*#0" + PIN)) == ["out"]
    bench.step(ExitPressed())
    assert kinds(bench.step(LeafMoved(True))) == ["out"]


def test_malformed_and_list_missing_cost_no_try():
    bench = Bench()
    assert shown(bench.keys("123#")) == [Show("refused", "malformed")]
    empty = Bench(installed=None)
    assert shown(empty.keys("1234567#")) == [Show("refused", "list_missing")]
    assert shown(empty.keys("12#")) == [Show("refused", "malformed")]
    empty.keys("123456")
    assert Show("refused", "list_missing") in shown(empty.idle_keys(10))
    for each in (bench, empty):
        assert each.door.tries_left(each.now()) == 10
        assert Keep not in types_of(each.effects)


@pytest.mark.parametrize("kept", [{"tries": 3}, None])
def test_a_restart_refills_nothing(kept: dict[str, Any] | None):
    memory, left = Memory.restore(kept), 3 if kept else 0
    for _ in range(5):
        bench = Bench(memory=memory)
        (boot, *_) = bench.door.start([Draft("boot")], bench.now())
        assert isinstance(boot, Record)
        assert boot.kept["tries"] == left
        bench.wait(1_799)
        memory = Memory.restore({"tries": boot.kept["tries"]})
    assert memory.tries == left


def test_the_keypads_share_one_bucket():
    bench = Bench(memory=Memory(tries=2))
    bench.keys(WRONG, "outside")
    bench.keys(WRONG, "second")
    assert shown(bench.keys(PIN, "outside"))[-1].reason == "locked_out"


def test_a_function_that_does_not_exist_opens_nothing():
    bench = Bench()
    effects = bench.keys("#5" + PIN)
    assert shown(effects) == [Show("refused", "malformed")]
    assert types_of(effects) == [Record, Show]


# ---- derivations


def press(bench: Bench, symbols: str, reader: str = "outside") -> list[Effect]:
    return [effect for symbol in symbols for effect in bench.step(KeyPressed(reader, symbol))]


def test_one_entry_is_pending_per_reader():
    bench = Bench()
    (first, _) = press(bench, PIN)
    assert press(bench, WRONG) == []
    (second, _) = press(bench, WRONG, "second")
    assert isinstance(first, Derive)
    assert isinstance(second, Derive)
    assert not opens(bench.step(PinDerived(second.ticket, verifier_of(WRONG))))
    assert opens(bench.step(PinDerived(first.ticket, verifier_of(PIN))))


def test_a_verifier_is_used_once():
    bench = Bench()
    (derive, _) = press(bench, PIN)
    assert isinstance(derive, Derive)
    assert opens(bench.step(PinDerived(derive.ticket, verifier_of(PIN))))
    assert bench.step(PinDerived(derive.ticket, verifier_of(PIN))) == []
    assert bench.step(PinDerived(99, verifier_of(PIN))) == []


@pytest.mark.parametrize(
    "kdf",
    [
        PinKdf(salt="B" * 21 + "A", memory_kib=8, iterations=1),
        PinKdf(salt=KDF.salt, memory_kib=16, iterations=1),
    ],
)
def test_after_a_re_key_in_between_it_is_derived_again(kdf: PinKdf):
    bench = Bench()
    (derive, _) = press(bench, PIN)
    assert isinstance(derive, Derive)
    pins = (PinEntry("c1", verifier_of(PIN, kdf), False),)
    bench.step(ListInstalled(installed(grant(pins=pins), pin_kdf=kdf)))
    (again,) = bench.step(PinDerived(derive.ticket, verifier_of(PIN)))
    assert again == Derive(derive.ticket, PIN, kdf)
    assert opens(bench.step(PinDerived(derive.ticket, verifier_of(PIN, kdf))))
    assert bench.door.tries_left(bench.now()) == 10


def test_a_list_lost_while_a_pin_is_derived_leaves_no_keypad_deaf():
    """A trust step can revoke the key of the installed list at any instant."""
    bench = Bench()
    (derive, _) = press(bench, PIN)
    assert isinstance(derive, Derive)
    bench.step(TrustTaken(2, 1, "revoked_key"))
    effects = bench.step(PinDerived(derive.ticket, verifier_of(PIN)))
    assert [(draft.kind, draft.reason) for draft in records(effects)] == [("refused", "list_missing")]
    bench.step(ListInstalled(installed(grant())))
    assert opens(bench.keys(PIN))


def test_a_commissioning_that_begins_while_a_pin_is_derived_leaves_no_keypad_deaf():
    bench = Bench()
    (derive, _) = press(bench, PIN)
    assert isinstance(derive, Derive)
    assert shown(bench.step(CommissionAsked("begin")))
    assert not opens(bench.step(PinDerived(derive.ticket, verifier_of(PIN))))
    bench.step(CommissionAsked("abandon"))
    assert opens(bench.keys(PIN))


# ---- presentation


def test_a_qr_held_up_is_one_presentation():
    bench = Bench(installed(grant(qr=TEXT)))
    assert opens(bench.qr(TEXT))
    for _ in range(50):
        bench.wait(0.1)
        assert bench.qr(TEXT) == []
    bench.wait(3)
    assert opens(bench.qr(TEXT))


# ---- signing out


def test_signing_out_answers_alike_to_every_input():
    inside, outside = Bench(), Bench()
    inside.keys(PIN)
    inside.step(LeafMoved(True))
    inside.step(LeafMoved(False))
    answers = [
        shown(bench.keys(symbols))
        for bench in (inside, outside, Bench(installed=None))
        for symbols in ("*#0" + PIN + "#", "*#0" + WRONG + "#", "*#0#", "*#012#")
    ]
    assert all(answer == [Show("granted", "signed_out")] for answer in answers)
    assert [d for d in records(inside.effects) if d.kind == "out"] == [
        Draft("out", None, "g1", "c1", "pin", {"by": "sign_out", "attribution": "explicit"})
    ]
    assert kinds(outside.effects) == []
    assert Keep not in types_of(outside.effects)


def test_who_came_in_by_qr_signs_out_by_pin():
    bench = Bench(installed(grant(qr=TEXT)))
    bench.qr(TEXT)
    bench.step(LeafMoved(True))
    (out,) = records(bench.keys("*#0" + PIN))
    assert (out.grant, out.credential, out.credential_id) == ("g1", "pin", "c1")
    assert kinds(bench.keys("*#0" + PIN)) == []


# ---- starting


def test_a_start_takes_up_what_was():
    stance = Stance("unlocked", 5, NOON + HOUR)
    bench = Bench(memory=Memory(tries=2, posture=stance, pulse_at_ms=NOON * 1000 - 5))
    effects = bench.door.start([Draft("boot")], bench.now())
    (record, hold, show) = effects
    assert record == Record(
        (Draft("boot"), Draft("no_entry", detail={"outcome": "unknown", "granted_at": NOON * 1000 - 5})),
        {"pulse": None, "tries": 2},
    )
    assert (hold, show) == (Hold(True), Show("idle"))


def test_a_confirmed_pulse_is_noted_with_the_next_record():
    bench = Bench()
    bench.keys(PIN)
    assert bench.step(Released()) == []
    (record,) = bench.step(LeafMoved(True))
    assert isinstance(record, Record)
    assert record.kept["pulse"] is None


def test_a_restart_goes_on_with_uses_and_who_is_inside():
    before = Bench(installed(grant(max_uses=1)))
    kept: dict[str, Any] = {}
    before.keys(PIN)
    before.step(LeafMoved(True))
    for effect in before.effects:
        if isinstance(effect, Record | Keep):
            kept |= effect.kept
    on_disk = msgspec.to_builtins({name: value for name, value in kept.items() if value is not None})
    after = Bench(installed(grant(max_uses=1)), memory=Memory.restore(on_disk))
    assert shown(after.keys(PIN))[-1].reason == "used_up"
    assert kinds(after.keys("*#0" + PIN)) == ["out"]


# ---- lists, faults, refusals


def test_an_installed_list_is_recorded_and_its_policy_counts():
    bench = Bench(installed=None)
    rules = installed(grant(), policy=Policy(pin_tries=3, release_s=7))
    (record,) = bench.step(ListInstalled(rules))
    assert isinstance(record, Record)
    assert record.drafts[0].detail == {"version": rules.list.version, "hash": "ab" * 32, "grants": 1}
    assert record.kept["tries"] == 3
    assert Release(7) in bench.keys(PIN)


def test_a_stale_list_is_a_fault_until_a_fresh_one_comes():
    bench = Bench(start_s=NOON + 2 * DAY - 5)
    assert "fault_raised" not in kinds(bench.wait(4))
    assert kinds(bench.wait(1)) == ["fault_raised"]
    bench.clock = "floor"
    assert kinds(bench.wait(60)) == []
    bench.clock = "synced"
    bench.step(ListInstalled(installed(grant(), refresh_after=NOON + 9 * DAY)))
    assert kinds(bench.wait(0)) == ["fault_cleared"]


def test_what_repeats_is_recorded_once_a_minute():
    bench = Bench()
    for _ in range(10):
        bench.step(ListRefused("bad_signature", None))
        bench.step(Refusal("receipt", "bad_signature"))
    assert kinds(bench.effects) == ["list", "trust"]
    assert [d.detail["count"] for d in records(bench.wait(60))] == [9, 9]


def test_faults_are_raised_once_and_cleared_once():
    bench = Bench()
    for on in (True, True, False, False):
        bench.step(FaultChanged("camera", on))
    assert kinds(bench.effects) == ["fault_raised", "fault_cleared"]


def test_the_storage_that_healed_says_what_was_lost():
    bench = Bench()
    bench.step(FaultChanged("log_degraded", True))
    lost, cleared = records(bench.step(StorageHealed(3)))
    assert (lost.kind, lost.detail, cleared.kind) == ("loss", {"count": 3}, "fault_cleared")
    assert bench.step(StorageHealed(0)) == []


def test_a_clock_note_is_a_record():
    assert records(Bench(clock="floor").step(ClockNoted())) == [Draft("clock", "floor")]


# ---- whatever happens

SEVERAL = installed(
    grant(qr=TEXT, max_uses=2),
    STAFF,
    grant("g3", pin="333333", offline_ok=True, kind="emergency", windows=((NOON, NOON + 60),)),
)
RE_KEYED = installed(grant(), pin_kdf=PinKdf(salt="B" * 21 + "A", memory_kib=8, iterations=1), version=NOON)
EVENTS = st.one_of(
    st.sampled_from([PIN, WRONG, STAFF_PIN, "333333", "#1" + STAFF_PIN, "#0" + PIN, "*", "#", "1", "#9123456"]),
    st.builds(QrRead, st.sampled_from([TEXT, token(NOON), token(2), "https://example.org", "ZS1:x"])),
    st.builds(LeafMoved, st.booleans()),
    st.builds(FaultChanged, st.sampled_from(["camera", "clock"]), st.booleans()),
    st.builds(
        ListInstalled, st.sampled_from([SEVERAL, RE_KEYED, listed("lockdown", 5), listed("unlocked", 6, NOON + 90)])
    ),
    st.sampled_from([ExitPressed(), Released(), NotRecorded(), ClockNoted(), Tick(), ListRefused("x", 1)]),
    st.builds(float, st.integers(0, 4_000)),
    st.sampled_from(["synced!", "floor!"]),
)


def test_the_next_deadline_moves_with_the_clock():
    bench = Bench()
    stale_ms = bench.door.deadline_ms(bench.now())
    assert stale_ms == bench.now().mono_ms + 2 * DAY * 1000
    bench.start_s += HOUR
    assert bench.door.deadline_ms(bench.now()) == stale_ms - HOUR * 1000
    bench.clock = "floor"
    assert bench.door.deadline_ms(bench.now()) is None
    bench.clock, bench.start_s = "holdover", NOON + 2 * DAY
    assert bench.door.deadline_ms(bench.now()) == bench.now().mono_ms


def check(bench: Bench) -> None:
    door, effects = bench.door, bench.effects
    for before, effect in zip([None, *effects], effects, strict=False):
        if isinstance(effect, Release) or effect == Hold(True):
            assert isinstance(before, Record)
            assert before.opening_door
            assert before.drafts[0].kind in {"granted", "posture"}
    deadline_ms = door.deadline_ms(bench.now())
    assert deadline_ms is None or deadline_ms >= bench.now().mono_ms
    assert 0 <= door.tries_left(bench.now()) <= 10
    assert len(door.memory.inside) <= 8
    assert len(door._journal._throttle._repeats) <= 96
    assert len(door.leaf._passage._awaited) <= 8


@settings(max_examples=150)
@given(st.lists(EVENTS, max_size=40), st.booleans(), st.booleans(), st.booleans())
def test_whatever_happens_the_order_holds_and_time_goes_on(
    events: list[Any], contact: bool, handle_sensed: bool, with_list: bool
):
    bench = Bench(SEVERAL if with_list else None, contact=contact, handle_sensed=handle_sensed)
    bench.door.start([Draft("boot")], bench.now())
    for event in events:
        match event:
            case float():
                before = bench.passed_ms
                bench.wait(event / 10)
                assert bench.passed_ms >= before
            case "synced!" | "floor!":
                bench.clock = "synced" if event == "synced!" else "floor"
            case str():
                bench.keys(event)
            case _:
                bench.step(event)
        now = bench.now()
        deadline_ms = bench.door.deadline_ms(now)
        if deadline_ms is not None and deadline_ms <= now.mono_ms:
            bench.step(Tick())
            again_ms = bench.door.deadline_ms(bench.now())
            assert again_ms is None or again_ms > now.mono_ms
    check(bench)
