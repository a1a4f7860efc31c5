"""Who went through: the table as documented, and the sequences people make."""

import re
from pathlib import Path

import pytest

from controller import passage
from controller.draft import Draft
from controller.passage import EXIT_MS, TABLE, Entrant, Passage, State, attribution

README = Path(passage.__file__).with_name("README.md")
ANNA = Entrant("g1", "c1", "pin", 2_000)
BERT = Entrant("g2", "c2", "qr", 500)
NO_ENTRY_MS, HELD_MS = 10_000, 120_000


def fresh(handle_sensed: bool = False, leaf_open: bool = False) -> Passage:
    return Passage(handle_sensed=handle_sensed, leaf_open=leaf_open, now_ms=0, held_open_ms=HELD_MS)


def let_in(door: Passage, who: Entrant = ANNA, now_ms: int = 0) -> list[Entrant]:
    return door.let_in(who, now_ms, NO_ENTRY_MS)


def opened(door: Passage, now_ms: int, unlocked: bool = False) -> tuple[list[str], str | None, object]:
    entrants, other = door.leaf_opened(now_ms, HELD_MS, unlocked)
    grants = [who.grant for who in entrants]
    return (grants, other.kind, other.detail.get("by")) if other else (grants, None, None)


# ---- documentation that fails when it is stale


def test_the_docstring_holds_the_table():
    rows = re.findall(r"^    ([A-Z]+) +(\w+) +([A-Z]+) ", passage.__doc__ or "", re.MULTILINE)
    assert {(State[before], signal): State[after] for before, signal, after in rows} == TABLE
    assert len(rows) == len(TABLE)


def diagram() -> str:
    """The table as a mermaid state diagram; a row that stays where it is changes nothing anybody would draw."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (before, signal), after in TABLE.items():
        if before is not after:
            arrows.setdefault((before, after), []).append(signal)
    lines = [f"    {a.value} --> {b.value}: {', '.join(signals)}" for (a, b), signals in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> CLOSED", *lines, "```"])


def test_the_readme_holds_the_diagram():
    assert diagram() in README.read_text("utf-8"), f"controller/README.md wants this diagram:\n{diagram()}"


# ---- sequences


def test_let_in_and_through():
    door = fresh()
    assert let_in(door) == []
    assert opened(door, 9_999) == (["g1"], None, None)
    closed = door.leaf_closed(12_000)
    assert closed == Draft("closed", detail={"open_ms": 2_001})
    assert (door.state, door.deadline_ms) == (State.CLOSED, None)


def test_nobody_through_in_time():
    door = fresh()
    let_in(door)
    assert door.time_over(NO_ENTRY_MS - 1) == []
    assert door.time_over(NO_ENTRY_MS) == [Draft("no_entry", None, "g1", "c1", "pin")]
    assert opened(door, NO_ENTRY_MS) == ([], "out", "handle")


def test_each_who_was_let_in_has_a_time_of_their_own():
    door = fresh()
    let_in(door, ANNA, 0)
    let_in(door, BERT, 9_000)
    assert [draft.grant for draft in door.time_over(NO_ENTRY_MS)] == ["g1"]
    assert (door.state, door.deadline_ms) == (State.RELEASED, 19_000)
    assert opened(door, 18_000) == (["g2"], None, None)


def test_the_same_grant_twice_before_one_opening_is_one_entry():
    door = fresh()
    let_in(door, ANNA, 0)
    let_in(door, ANNA, 5_000)
    assert door.time_over(NO_ENTRY_MS) == []
    assert opened(door, 12_000) == (["g1"], None, None)


def test_two_grants_through_one_opening_are_two_entries():
    door = fresh()
    let_in(door, ANNA)
    let_in(door, BERT)
    assert opened(door, 1_000) == (["g1", "g2"], None, None)


def test_somebody_let_in_while_the_leaf_stands_open_is_in():
    for after_ms in (0, HELD_MS):
        door = fresh(leaf_open=True)
        door.time_over(after_ms)
        assert let_in(door, BERT, after_ms) == [BERT]
        assert door.leaf_closed(after_ms + 1) is not None


def test_a_release_that_did_not_happen_awaits_nobody():
    door = fresh()
    let_in(door)
    door.withdraw("g1")
    assert (door.state, door.deadline_ms) == (State.CLOSED, None)


def test_withdrawing_one_leaves_the_others_awaited():
    door = fresh()
    let_in(door, ANNA, 0)
    let_in(door, BERT, 1_000)
    door.withdraw("g2")
    assert opened(door, 2_000) == (["g1"], None, None)


def test_withdrawing_a_second_release_leaves_the_first():
    door = fresh()
    let_in(door, ANNA, 0)
    let_in(door, ANNA, 5_000)
    door.withdraw("g1")
    assert door.deadline_ms == NO_ENTRY_MS
    assert opened(door, 9_000) == (["g1"], None, None)


def test_the_exit_button_makes_it_an_out():
    door = fresh(handle_sensed=True)
    assert door.exit_pressed(0)
    assert not door.exit_pressed(5_000)
    assert opened(door, 5_000 + EXIT_MS) == ([], "out", "button")


def test_an_exit_nobody_took_is_nothing():
    door = fresh(handle_sensed=True)
    door.exit_pressed(0)
    assert door.time_over(EXIT_MS) == []
    assert opened(door, EXIT_MS + 1) == ([], "forced", None)
    assert door.exit_pressed(EXIT_MS + 2)


def test_one_comes_in_while_another_goes_out():
    door = fresh()
    let_in(door)
    door.exit_pressed(1_000)
    assert opened(door, 2_000) == (["g1"], "out", "button")


@pytest.mark.parametrize(
    ("sensed", "unlocked", "expected"),
    [
        (True, False, ([], "forced", None)),
        (False, False, ([], "out", "handle")),
        (True, True, ([], "opened", "unlocked")),
        (False, True, ([], "opened", "unlocked")),
    ],
)
def test_an_opening_nobody_announced(sensed: bool, unlocked: bool, expected: object):
    assert opened(fresh(handle_sensed=sensed), 1, unlocked) == expected


def test_open_for_too_long():
    door = fresh()
    opened(door, 0)
    assert door.time_over(HELD_MS - 1) == []
    assert door.time_over(HELD_MS) == [Draft("held_open")]
    assert (door.state, door.deadline_ms) == (State.HELD, None)
    assert door.leaf_closed(HELD_MS + 5) == Draft("closed", detail={"open_ms": HELD_MS + 5})


def test_a_door_that_starts_open_is_timed_from_then():
    door = fresh(leaf_open=True)
    assert door.time_over(HELD_MS) == [Draft("held_open")]


def test_a_signal_that_is_not_in_the_table_changes_nothing():
    door = fresh()
    assert door.leaf_closed(1) is None
    opened(door, 2)
    assert opened(door, 3) == ([], None, None)


def test_attribution():
    assert attribution({}, 0) == ("none", None)
    assert attribution({"g1": ANNA}, 0) == ("inferred", ANNA)
    assert attribution({"g1": ANNA, "g2": BERT}, 499) == ("none", None)
    assert attribution({"g1": ANNA, "g2": BERT}, 500) == ("inferred", ANNA)
    assert attribution({"g1": ANNA, "g2": BERT}, 2_000) == ("none", None)
