"""An answer stays for its time, and a new one takes its place at once."""

from controller.answer import SHOWN_MS, Answer
from controller.door_events import Show
from tests.controller.worlds import NOON, at


def test_it_is_idle_until_it_answers_and_again_after():
    answer = Answer()
    assert (answer.shown, answer.at_s, answer.until_ms) == (Show("idle"), 0, None)
    now = at(NOON)
    assert answer.give(Show("granted"), now) == [Show("granted")]
    assert (answer.at_s, answer.until_ms) == (NOON, now.mono_ms + SHOWN_MS)
    assert answer.time_over(now) == []
    assert answer.time_over(at(NOON + SHOWN_MS // 1000)) == [Show("idle")]
    assert (answer.at_s, answer.until_ms) == (0, None)


def test_the_newer_answer_has_its_whole_time():
    answer = Answer()
    answer.give(Show("refused"), at(NOON))
    answer.give(Show("granted"), at(NOON + 4))
    assert answer.time_over(at(NOON + 5)) == []
    assert answer.shown == Show("granted")
