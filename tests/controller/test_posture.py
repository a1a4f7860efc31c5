"""Postures: which one wins, and when an unlocked one is over."""

import pytest

from controller.posture import Posture


@pytest.mark.parametrize(
    ("newer", "older", "wins"),
    [
        (Posture("unlocked", 2, 9), Posture("lockdown", 1), True),
        (Posture("controlled", 2), Posture("lockdown", 1), True),
        (Posture("lockdown", 1), Posture("unlocked", 2, 9), False),
        (Posture("lockdown", 1), Posture("unlocked", 1, 9), True),
        (Posture("unlocked", 1, 9), Posture("lockdown", 1), False),
        (Posture("lockdown", 1), Posture("lockdown", 1), False),
        (Posture("controlled", 1), Posture("unlocked", 1, 9), False),
    ],
)
def test_the_newer_wins_and_lockdown_wins_a_tie(newer: Posture, older: Posture, wins: bool):
    assert newer.beats(older) is wins


@pytest.mark.parametrize(
    ("posture", "now_s", "trusted", "over"),
    [
        (Posture("unlocked", 1, 10), 9, True, False),
        (Posture("unlocked", 1, 10), 10, True, True),
        (Posture("unlocked", 1, 10), 9, False, True),
        (Posture("unlocked", 1, None), 0, True, True),
        (Posture("lockdown", 1), 10**9, False, False),
        (Posture("controlled", 1), 10**9, False, False),
    ],
)
def test_unlocked_ends_by_time_or_by_an_untrusted_clock(posture: Posture, now_s: int, trusted: bool, over: bool):
    assert posture.over(now_s, trusted) is over
    assert posture.at(now_s, trusted).state == ("controlled" if over else posture.state)
    assert posture.at(now_s, trusted).since_s == posture.since_s
