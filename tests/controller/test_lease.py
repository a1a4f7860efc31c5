"""A release as the driver sees it: leases of at most ten seconds, renewed before they run out, and no longer."""

import pytest

from controller.lease import LEASE_MAX_MS, Lease

TURN_MS = 500
"""The loop turns at least so often."""


class Relay:
    """A lock that writes down how long it was energised for, and counts when it would have let go in between."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.until_ms = -1
        self.gaps = 0
        self.longest_ms = 0

    @property
    def released(self) -> bool:
        return self.now_ms < self.until_ms

    def release(self, lease_s: float) -> None:
        self.gaps += 0 <= self.until_ms <= self.now_ms
        self.longest_ms = max(self.longest_ms, round(lease_s * 1000))
        self.until_ms = self.now_ms + round(lease_s * 1000)

    def secure(self) -> None:
        self.until_ms = self.now_ms

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def relay():
    return Relay()


@pytest.fixture
def lease(relay):
    return Lease(relay)


def turn_until(relay: Relay, lease: Lease, end_ms: int) -> None:
    while relay.now_ms < end_ms:
        relay.now_ms += TURN_MS
        lease.renew(relay.now_ms)


@pytest.mark.parametrize("seconds", [1, 9, 10, 11, 15, 30, 60])
def test_a_release_is_one_piece_and_ends_when_it_was_said(relay, lease, seconds):
    lease.release(seconds, 0)
    turn_until(relay, lease, 90_000)
    assert relay.until_ms == seconds * 1000
    assert (relay.gaps, relay.longest_ms <= LEASE_MAX_MS) == (0, True)


def test_a_door_that_is_held_is_held_in_one_piece_and_lets_go_when_told(relay, lease):
    lease.hold(True, 0)
    turn_until(relay, lease, 600_000)
    assert relay.released and relay.gaps == 0
    lease.hold(False, relay.now_ms)
    assert not relay.released


def test_whoever_stops_turning_loses_the_lock_within_a_lease(relay, lease):
    lease.hold(True, 0)
    turn_until(relay, lease, 60_000)
    relay.now_ms += LEASE_MAX_MS
    assert not relay.released


def test_a_release_that_is_on_outlasts_the_end_of_holding(relay, lease):
    lease.hold(True, 0)
    lease.release(20, 0)
    lease.hold(False, 1_000)
    turn_until(relay, lease, 60_000)
    assert relay.until_ms == 20_000


def test_a_release_that_is_on_is_not_drawn_out_by_the_end_of_holding(relay, lease):
    lease.hold(True, 0)
    lease.release(2, 0)
    turn_until(relay, lease, 1_000)
    lease.hold(False, 1_000)
    turn_until(relay, lease, 60_000)
    assert relay.until_ms == 2_000
