"""The contract of `hal.ports.Lock`, over every lock driver and every pin factory that loads here."""

from time import monotonic, sleep

import msgspec
import pytest

from hal import catalog
from hal.errors import StrikeFault
from hal.ports import LEASE_MAX_S
from tests.hal.bench import eventually

LINE = 17


@pytest.fixture(params=sorted(catalog.DRIVERS["lock"]))
def lock(request, bench):
    driver = catalog.driver("lock", request.param)
    lock = driver.open(msgspec.convert({"pin": LINE}, driver.Settings), bench.board)
    yield lock
    lock.close()


def test_is_secured_when_opened_without_one_released_sample(lock, bench):
    assert not lock.released
    assert not any(bench.levels(LINE))


def test_no_lease_is_longer_than_ten_seconds():
    """The bench, the watchdog and the manuals count on it: docs/bench.md, R7."""
    assert LEASE_MAX_S <= 10


def test_lets_go_by_itself(lock, bench):
    before_s = monotonic()
    lock.release(0.15)
    assert lock.released
    assert eventually(lambda: bench.high(LINE))
    assert eventually(lambda: not bench.high(LINE))
    assert monotonic() - before_s >= 0.15
    assert eventually(lambda: not lock.released)


def test_a_renewal_counts_from_the_last_call_without_a_gap(lock, bench):
    for _ in range(5):
        lock.release(1.0)
        sleep(0.1)
    assert lock.released
    assert eventually(lambda: not bench.high(LINE))
    assert bench.levels(LINE)[-2:] == [True, False]
    assert bench.levels(LINE).count(True) == 1


def test_a_shorter_renewal_shortens(lock, bench):
    lock.release(LEASE_MAX_S)
    lock.release(0.05)
    assert eventually(lambda: not bench.high(LINE))


def test_secure_acts_now(lock, bench):
    lock.release(LEASE_MAX_S)
    lock.secure()
    assert not lock.released
    assert eventually(lambda: not bench.high(LINE))


def test_close_secures_and_may_be_repeated(lock, bench):
    lock.release(LEASE_MAX_S)
    lock.close()
    lock.close()
    assert eventually(lambda: not bench.high(LINE))
    with pytest.raises(StrikeFault):
        lock.release(1)


@pytest.mark.parametrize("lease_s", [0, -1, LEASE_MAX_S + 0.001, float("nan"), float("inf")])
def test_a_lease_out_of_bounds_is_refused(lock, bench, lease_s):
    with pytest.raises(ValueError, match="lease"):
        lock.release(lease_s)
    assert not any(bench.levels(LINE))
