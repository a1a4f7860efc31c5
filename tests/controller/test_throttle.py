"""One record a minute for what repeats."""

from hypothesis import given
from hypothesis import strategies as st

from controller.draft import Draft
from controller.throttle import MAX_KINDS, QUIET_MS, Throttle

WRONG = Draft("refused", "unknown_code")


def test_the_first_is_recorded_and_the_rest_counted():
    throttle = Throttle()
    assert throttle.admit(WRONG, 0) == WRONG
    assert not any(throttle.admit(WRONG, ms) for ms in (1, 2, 59_999))
    assert throttle.deadline_ms == QUIET_MS
    assert throttle.due(59_999) == []
    assert throttle.due(60_000) == [Draft("refused", "unknown_code", detail={"count": 3})]
    assert throttle.admit(WRONG, 60_000) == WRONG


def test_a_single_one_is_not_counted_again():
    throttle = Throttle()
    throttle.admit(WRONG, 0)
    assert throttle.due(QUIET_MS) == []
    assert throttle.deadline_ms is None


def test_every_kind_has_its_own_minute():
    throttle = Throttle()
    for draft in (WRONG, Draft("refused", "too_early", "g1"), Draft("refused", "too_early", "g2"), Draft("list", "x")):
        assert throttle.admit(draft, 0) == draft


def test_too_many_kinds_share_one_and_name_nobody():
    throttle = Throttle()
    for number in range(MAX_KINDS):
        throttle.admit(Draft("refused", "too_early", f"g{number}", "c1"), 0)
    assert throttle.admit(Draft("refused", "too_early", "g999", "c1"), 0) == Draft("refused", "too_early")
    assert throttle.admit(Draft("refused", "too_early", "g998", "c1"), 0) is None


@given(st.lists(st.tuples(st.integers(0, 30_000), st.sampled_from(["a", "b", "c"])), max_size=100))
def test_nothing_is_lost_and_nothing_is_said_twice(arrivals: list[tuple[int, str]]):
    throttle, now_ms, said = Throttle(), 0, 0
    for gap_ms, reason in arrivals:
        now_ms += gap_ms
        said += sum(int(draft.detail["count"] or 0) for draft in throttle.due(now_ms))
        said += throttle.admit(Draft("refused", reason), now_ms) is not None
    said += sum(int(draft.detail["count"] or 0) for draft in throttle.due(now_ms + QUIET_MS))
    assert said == len(arrivals)
