"""The contract of `hal.ports.TimeSource`, over every driver, on the machine as it is."""

import subprocess
import sys
from time import time_ns

import pytest

from hal import catalog
from hal.pins import Board


@pytest.fixture(params=sorted(catalog.DRIVERS["clock"]))
def name(request):
    return request.param


@pytest.fixture
def source(name):
    driver = catalog.driver("clock", name)
    source = driver.open(driver.Settings(), Board())
    yield source
    source.close()


def test_the_counter_never_goes_back(source):
    readings = [source.raw_ms() for _ in range(1_000)]
    assert readings == sorted(readings)
    assert readings[0] > 0


def test_ntp_is_the_system_time_or_nothing(source):
    before_ms = time_ns() // 1_000_000
    ntp_ms = source.ntp_ms()
    after_ms = time_ns() // 1_000_000
    assert ntp_ms is None or before_ms - 10 <= ntp_ms <= after_ms + 10


def test_a_chip_is_read_or_absent(source):
    assert source.rtc_ms() is None or source.rtc_ms() % 1000 == 0


def test_two_processes_of_one_boot_agree_on_it(source, name):
    program = (
        "import sys; from hal import catalog; driver = catalog.driver('clock', sys.argv[1]);"
        "print(driver.open(driver.Settings(), None).boot_id())"
    )
    done = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == source.boot_id() != ""


def test_close_may_be_repeated(source):
    source.close()
    source.close()
