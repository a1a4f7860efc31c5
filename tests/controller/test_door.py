"""The door as a whole: what it wants done, in which order, whatever happens."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.answer import SHOWN_MS
from controller.decide import Installed
from controller.door_events import (
    ClockNoted,
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
)
from controller.draft import Draft
from controller.formats.code_list import PinEntry, PinKdf, Policy, Posture
from controller.memory import Memory
from controller.posture import Posture as Stance
from tests.controller.worlds import (
    DAY,
    HOUR,
    KDF,
    NOON,
    PIN,
    Bench,
    grant,
    installed,
    kinds,
    records,
    shown,
    token,
    verifier_of,
)

TEXT = token()
STAFF_PIN = "777777"
STAFF = grant("s1", pin=STAFF_PIN, kind="facility", windows=((NOON - DAY, NOON + DAY),))
WRONG = "000000"


def types_of(effects: list[Effect]) -> list[type]:
    return [type(effect) for effect in effects]


def opens(effects: list[Effect]) -> bool:
    return Release in types_of(effects)


# ---- the order of effects


def test_a_right_pin_is_kept_derived_recorded_released_shown():
    bench = Bench()
    effects = bench.keys(PIN)
    assert types_of(effects) == [Keep, Derive, Record, Release, Show]
    keep, derive, record, release, show = effects
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
    assert types_of(effects) == [Keep, Derive, Record, Show]
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
    (_, first) = press(bench, PIN)
    assert press(bench, WRONG) == []
    (_, second) = press(bench, WRONG, "second")
    assert isinstance(first, Derive)
    assert isinstance(second, Derive)
    assert not opens(bench.step(PinDerived(second.ticket, verifier_of(WRONG))))
    assert opens(bench.step(PinDerived(first.ticket, verifier_of(PIN))))


def test_a_verifier_is_used_once():
    bench = Bench()
    (_, derive) = press(bench, PIN)
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
    (_, derive) = press(bench, PIN)
    assert isinstance(derive, Derive)
    pins = (PinEntry("c1", verifier_of(PIN, kdf), False),)
    bench.step(ListInstalled(installed(grant(pins=pins), pin_kdf=kdf)))
    (again,) = bench.step(PinDerived(derive.ticket, verifier_of(PIN)))
    assert again == Derive(derive.ticket, PIN, kdf)
    assert opens(bench.step(PinDerived(derive.ticket, verifier_of(PIN, kdf))))
    assert bench.door.tries_left(bench.now()) == 10


# ---- presentation


def test_a_qr_held_up_is_one_presentation():
    bench = Bench(installed(grant(qr=TEXT)))
    assert opens(bench.qr(TEXT))
    for _ in range(50):
        bench.wait(0.1)
        assert bench.qr(TEXT) == []
    bench.wait(3)
    assert opens(bench.qr(TEXT))


# ---- in, out, nobody (R002-10)


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


# ---- postures


def test_staff_unlock_until_their_window_ends_and_lock_again():
    bench = Bench(installed(replace_windows(STAFF, NOON + HOUR)))
    effects = bench.keys("*#1" + STAFF_PIN)
    assert types_of(effects) == [Keep, Derive, Record, Hold, Show]
    (posture,) = records(effects)
    assert posture == Draft(
        "posture", None, "s1", "c1", "pin", {"state": "unlocked", "until": NOON + HOUR, "by": "keypad"}
    )
    assert bench.door.tries_left(bench.now()) == 10
    assert effects[2].kept["tries"] == 10  # type: ignore[union-attr]
    assert [d.detail["by"] for d in records(bench.step(LeafMoved(True)))] == ["unlocked"]
    assert Hold(False) in bench.keys("*#1" + STAFF_PIN)


def replace_windows(whose: Any, until_s: int) -> Any:
    return grant(whose.id, pin=STAFF_PIN, kind=whose.kind, windows=((NOON - DAY, until_s),))


def test_unlocked_ends_by_time():
    bench = Bench(installed(replace_windows(STAFF, NOON + HOUR)))
    bench.keys("*#1" + STAFF_PIN)
    assert Hold(False) not in bench.wait(HOUR - 1)
    effects = bench.wait(1)
    assert Hold(False) in effects
    assert [d.detail["by"] for d in records(effects) if d.kind == "posture"] == ["time"]


def test_unlocked_never_lasts_longer_than_twelve_hours():
    bench = Bench(installed(replace_windows(STAFF, NOON + 5 * DAY)))
    (posture,) = records(bench.keys("*#1" + STAFF_PIN))
    assert posture.detail["until"] == NOON + 12 * HOUR


def test_unlocked_ends_when_the_clock_is_not_trusted():
    bench = Bench(installed(STAFF))
    bench.keys("*#1" + STAFF_PIN)
    bench.clock = "floor"
    assert Hold(False) in bench.wait(0)


@pytest.mark.parametrize(
    ("kind", "clock", "reason"), [("renter", "synced", "unknown_code"), ("facility", "floor", "clock_untrusted")]
)
def test_who_may_not_unlock(kind: str, clock: Any, reason: str):
    bench = Bench(installed(grant(kind=kind, offline_ok=True)), clock=clock)
    effects = bench.keys("*#1" + PIN)
    assert [d.reason for d in records(effects)] == [reason]
    assert Hold(True) not in effects
    assert bench.door.tries_left(bench.now()) == 9


def test_staff_cannot_unlock_a_lockdown():
    bench = Bench(installed(STAFF), memory=Memory(tries=10, posture=Stance("lockdown", 1)))
    assert [d.reason for d in records(bench.keys("*#1" + STAFF_PIN))] == ["lockdown"]


def test_a_duress_pin_unlocks_and_says_so():
    staff = grant("s1", kind="facility", pins=(PinEntry("c9", verifier_of(STAFF_PIN), True),))
    bench = Bench(installed(staff))
    assert records(bench.keys(STAFF_PIN))[0].detail["duress"] is True
    assert records(bench.keys("*#1" + STAFF_PIN))[0].detail["duress"] is True


def test_under_duress_nothing_looks_different():
    """Neither what the lock does nor what the light shows may tell an attacker."""

    def seen(duress: bool) -> list[Any]:
        staff = grant("s1", kind="facility", pins=(PinEntry("c9", verifier_of(STAFF_PIN), duress),))
        bench = Bench(installed(staff))
        effects = [*bench.keys(STAFF_PIN), *bench.wait(20)]
        return [effect for effect in effects if not isinstance(effect, Record)]

    assert seen(True) == seen(False)


def listed(state: Any, since: int, until: int | None = None) -> Installed:
    return installed(grant(), posture=Posture(state=state, since=since, until=until))


def test_of_two_postures_the_newer_wins():
    bench = Bench()
    bench.step(ListInstalled(listed("lockdown", 10)))
    assert bench.door.posture(bench.now()).state == "lockdown"
    bench.step(ListInstalled(listed("controlled", 9)))
    assert bench.door.posture(bench.now()).state == "lockdown"
    effects = bench.step(ListInstalled(listed("unlocked", 11, NOON + HOUR)))
    assert effects[-1] == Hold(True)
    bench.step(ListInstalled(listed("lockdown", 11)))
    assert bench.door.posture(bench.now()).state == "lockdown"


def test_a_posture_that_is_over_does_not_come_back_with_the_next_list():
    bench = Bench()
    bench.step(ListInstalled(listed("unlocked", 10, NOON + 60)))
    bench.wait(60)
    assert Hold(True) not in bench.step(ListInstalled(listed("unlocked", 10, NOON + HOUR)))


def test_the_lists_posture_holds_after_the_memory_was_lost():
    bench = Bench(listed("lockdown", 10), memory=Memory.restore(None))
    effects = bench.door.start([Draft("boot")], bench.now())
    assert kinds(effects) == ["boot", "posture"]
    assert bench.door.posture(bench.now()).state == "lockdown"


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
    assert len(door._leaf._passage._awaited) <= 8


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
