"""Bringing a door into service, step by step, without a door."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import commission
from controller.commission import IDLE_MS, KEYS, KEYS_MS, TEST_QR, Commission, Wired, shortcomings, steps
from controller.formats.qr_pass import TEXT_CHARS

FULL = Wired(("outside", "in-side"), qr=True, contact=True, exit_button=True, qr_inside=True)
BARE = Wired((), qr=True, contact=False, exit_button=False)
GOOD = {
    "relay": "01",
    "keypad_mm": "1000#",
    "camera_mm": "1050#",
    "corner_mm": "600#",
    "floor": "1",
    "free_exit": "1",
    "escape_route": "3",
    "locked_unpowered": "1",
    "fire_cuts_lock": "2",
    "cylinder": "1",
    "notice": "1",
    "sheet": "20260017#",
}


def play(wired: Wired, typed: dict[str, str] | None = None) -> Commission:
    """Everything works; people type what `typed` says in place of what they should."""
    run, ms = Commission(steps(wired), 0), 0
    while run.step is not None:
        step, ms = run.step, ms + 1_000
        match step.kind:
            case "keys":
                for symbol in KEYS:
                    run.press(symbol, ms, step.keypad)
            case "qr":
                run.qr(TEST_QR, ms, step.inside)
            case "exit":
                run.exit_pressed(ms)
            case "leaf":
                run.leaf_moved(True, ms)
                run.leaf_moved(False, ms)
            case _:
                for symbol in (GOOD | (typed or {}))[step.name]:
                    run.press(symbol, ms)
        assert run.step is not step, f"{step.name} does not end"
    return run


def test_a_good_door_goes_into_service():
    run = play(FULL)
    assert shortcomings(run.answers) == ()
    assert list(run.answers) == [
        "keys_outside", "keys_in_side", "qr", "qr_seated", "qr_inside", "relay", "exit_button", "leaf", "keypad_mm",
        "camera_mm", "corner_mm", "floor", "free_exit", "escape_route", "locked_unpowered", "fire_cuts_lock",
        "cylinder", "notice", "sheet",
    ]  # fmt: skip
    assert (run.answers["keypad_mm"], run.answers["sheet"], run.answers["fire_cuts_lock"]) == (1000, 20260017, "none")


def test_a_door_is_asked_only_about_what_it_has():
    assert [step.name for step in steps(BARE)][:4] == ["qr", "qr_seated", "relay", "camera_mm"]
    assert shortcomings(play(BARE).answers) == ()


@pytest.mark.parametrize(
    ("typed", "short"),
    [
        ({"relay": "03"}, "relay"),
        ({"keypad_mm": "1221#"}, "keypad_mm"),
        ({"camera_mm": "1300#"}, "camera_mm"),
        ({"floor": "3"}, "floor"),
        ({"free_exit": "3"}, "free_exit"),
        ({"cylinder": "3"}, "cylinder"),
        ({"notice": "3"}, "notice"),
        ({"escape_route": "1", "locked_unpowered": "3"}, "fire_cuts_lock"),
    ],
)
def test_what_keeps_a_door_out_of_service(typed, short):
    assert shortcomings(play(FULL, typed).answers) == (short,)


@pytest.mark.parametrize(
    "typed",
    [
        {"keypad_mm": "1220#"},  # the limit itself is within reach
        {"escape_route": "1", "locked_unpowered": "3", "fire_cuts_lock": "1"},
        {"escape_route": "1", "locked_unpowered": "1", "fire_cuts_lock": "3"},
        {"floor": "2", "corner_mm": "0#", "sheet": "0#"},
    ],
)
def test_what_does_not(typed):
    assert shortcomings(play(FULL, typed).answers) == ()


def test_every_key_has_to_be_heard_and_from_its_own_keypad():
    run = Commission(steps(FULL), 0)
    for symbol in KEYS[:-1] * 3:
        assert run.press(symbol, 1, "outside") in {"heard", "nothing"}
        assert run.press("#", 1, "in-side") == "nothing"
    assert (run.left, asked(run)) == ("#", "keys_outside")
    assert run.press("#", 2, "outside") == "passed"
    assert asked(run) == "keys_in_side"


def test_a_dead_key_is_found_by_waiting_or_said_at_the_terminal():
    waited = Commission(steps(FULL), 0)
    waited.press("1", 500, "outside")
    assert waited.time_over(500 + KEYS_MS - 1) == "nothing"
    assert waited.time_over(500 + KEYS_MS) == "failed"
    told = Commission(steps(FULL), 0)
    assert told.press("*", 1) == "failed"
    assert waited.answers == told.answers == {"keys_outside": "no"}


def test_the_lock_has_to_click_before_anybody_can_have_heard_it():
    run = Commission(steps(Wired((), False, False, False)), 0)
    assert run.press("1", 1) == "refused"
    assert [run.press(symbol, 2) for symbol in "001"] == ["pulse", "pulse", "passed"]


def test_a_pass_or_the_test_code_will_do_and_nothing_else():
    assert len(TEST_QR) == TEXT_CHARS
    for text in ("https://example.org", "ZS1:", TEST_QR[:-1], "ZSE1:" + "A" * 55):
        assert Commission(steps(BARE), 0).qr(text, 1) == "refused"
    for text in (TEST_QR, "ZS1:" + "A" * 56):
        assert Commission(steps(BARE), 0).qr(text, 1) == "passed"


def test_the_reader_inside_is_tried_with_a_code_of_its_own():
    run = play_until(FULL, "qr_inside")
    assert run.qr(TEST_QR, 1) == "nothing", "the reader outside sees it still"
    assert run.qr(TEST_QR, 1, inside=True) == "passed"
    assert Commission(steps(BARE), 0).qr(TEST_QR, 1, inside=True) == "nothing"


def test_centimetres_and_too_many_digits_are_not_taken_for_a_height():
    run = play_until(FULL, "keypad_mm")
    assert [run.press(symbol, 1) for symbol in "110#"] == ["heard"] * 3 + ["refused"]
    assert [run.press(symbol, 1) for symbol in "#11000#"][-1] == "refused"
    assert [run.press(symbol, 1) for symbol in "99*1100#"][-1] == "passed"
    assert run.answers["keypad_mm"] == 1100


def asked(run: Commission) -> str:
    assert run.step is not None
    return run.step.name


def play_until(wired: Wired, name: str) -> Commission:
    run, done = Commission(steps(wired), 0), play(wired).answers
    while asked(run) != name:
        run._finish(done[asked(run)], 0)
    return run


def test_whoever_walks_away_leaves_a_keypad_behind():
    run = play_until(FULL, "leaf")
    run.leaf_moved(True, 1_000)
    assert run.time_over(999 + IDLE_MS) == "nothing"
    assert run.time_over(1_000 + IDLE_MS) == "failed"
    assert run.over and run.abandoned and run.deadline_ms is None


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from([None, "outside", "in-side"])), max_size=200))
def test_no_typing_ends_in_service_by_itself(typed):
    """Keys alone, however many, cannot show a code, press a button or move a leaf."""
    run = Commission(steps(FULL), 0)
    for symbol, keypad in typed:
        outcome = run.press(symbol, 1, keypad)
        assert outcome != "pulse" or asked(run) == "relay"
    assert not run.over or shortcomings(run.answers)


def test_words_of_the_record_are_words():
    names = [step.name for step in steps(FULL)]
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalnum() and name.islower() for name in names)
    assert len(" ".join(names)) <= 300 and commission.REACH_MM == 1_220
