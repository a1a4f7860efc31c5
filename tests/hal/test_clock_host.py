"""What is particular to the host's clock: it always counts as synchronised."""

from time import time_ns

import msgspec
import pytest

from hal import clock_host
from hal.clock_host import Settings


def test_system_time_counts_and_there_is_no_chip():
    source = clock_host.open(Settings())
    before_ms = time_ns() // 1_000_000
    ntp_ms = source.ntp_ms()
    assert ntp_ms is not None
    assert before_ms <= ntp_ms <= time_ns() // 1_000_000
    assert source.rtc_ms() is None


def test_there_is_nothing_to_set():
    with pytest.raises(msgspec.ValidationError, match="rtc"):
        msgspec.convert({"rtc": "/dev/rtc0"}, Settings)
