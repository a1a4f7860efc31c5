"""What is particular to the Linux clock: how the kernel's answers are taken."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal import clock_linux
from hal.clock_linux import (
    RTC_RD_TIME,
    RTC_TIME,
    RTC_VL_READ,
    STA_NANO,
    STA_UNSYNC,
    TOLD_MAX_AGE_MS,
    VL_BACKUP_EMPTY,
    VL_DATA_INVALID,
    VL_FLAGS,
    LinuxClock,
    Settings,
    chip_ms,
    synchronised_ms,
    told_line,
    told_ms,
)

NOON = datetime(2026, 7, 17, 12, 30, 15, tzinfo=UTC)
NOON_ON_CHIP = RTC_TIME.pack(15, 30, 12, 17, 6, 126, 0, 0, 0)
BACKUP_LOW = 0x2


@pytest.mark.parametrize("rtc", ["", "/dev/rtc", "/dev/rtc0", "/dev/rtc12"])
def test_a_chip_or_none_can_be_configured(rtc):
    assert msgspec.convert({"rtc": rtc}, Settings).rtc == rtc


@pytest.mark.parametrize("rtc", ["rtc0", "/dev/sda", "/etc/passwd", "/dev/rtc0/../sda", "/dev/rtc0\n"])
def test_nothing_else_is_opened(rtc):
    with pytest.raises(msgspec.ValidationError, match="rtc"):
        msgspec.convert({"rtc": rtc}, Settings)


@pytest.mark.parametrize(
    ("status", "fraction", "expected"),
    [
        (0, 678_901, 1_784_291_415_678),
        (STA_NANO, 678_901_234, 1_784_291_415_678),
        (STA_UNSYNC, 678_901, None),
        (STA_NANO | STA_UNSYNC, 678_901_234, None),
    ],
)
def test_system_time_counts_while_the_kernel_calls_it_synchronised(status, fraction, expected):
    assert synchronised_ms(status, 1_784_291_415, fraction) == expected


def test_a_refused_adjtimex_is_no_reading(monkeypatch):
    clock = LinuxClock(Settings(told="/nonexistent/ntp"))
    monkeypatch.setattr(clock._kernel, "_adjtimex", lambda _: -1)
    assert clock.ntp_ms() is None


class Kernel:
    def __init__(self, ntp: int | None) -> None:
        self._ntp = ntp

    def ntp_ms(self) -> int | None:
        return self._ntp


@pytest.mark.parametrize("ntp", [None, 1_784_291_415_678])
def test_what_another_process_tells_counts_for_a_while(tmp_path, monkeypatch, ntp):
    clock = LinuxClock(Settings(told=str(tmp_path / "ntp")))
    monkeypatch.setattr(clock_linux, "raw_ms", lambda: 5_000_000)
    (tmp_path / "ntp").write_text(told_line(Kernel(ntp)))  # type: ignore[arg-type]
    for age, counts in [(0, True), (TOLD_MAX_AGE_MS, True), (TOLD_MAX_AGE_MS + 1, False), (-1, False)]:
        monkeypatch.setattr(LinuxClock, "raw_ms", lambda _, age=age: 5_000_000 + age)
        assert clock.ntp_ms() == (ntp + age if ntp is not None and counts else None)


@given(st.text(max_size=80))
def test_nonsense_tells_no_time(line):
    assert told_ms(line + " x\n", 1) is None
    assert told_ms(line.replace("\n", ""), 1) is None


def test_the_chip_counts_whole_seconds_of_utc():
    assert chip_ms(NOON_ON_CHIP) == int(NOON.timestamp()) * 1000


@given(st.binary(min_size=RTC_TIME.size, max_size=RTC_TIME.size))
def test_whatever_a_chip_says_is_a_time_or_nothing(answer):
    shown = chip_ms(answer)
    assert shown is None or shown % 1000 == 0


@pytest.mark.parametrize("day", [0, 32])
def test_a_chip_that_was_never_set_shows_nothing(day):
    assert chip_ms(RTC_TIME.pack(0, 0, 0, day, 0, 100, 0, 0, 0)) is None


class Chip:
    """Stands in for `ioctl`; `flags` None = a driver without the power-loss flag."""

    def __init__(self, flags, time):
        self.flags, self.time = flags, time

    def __call__(self, _descriptor, request, _buffer):
        if request == RTC_VL_READ and self.flags is not None:
            return VL_FLAGS.pack(self.flags)
        if request == RTC_RD_TIME and self.time is not None:
            return self.time
        raise OSError(22, "Invalid argument")


@pytest.mark.parametrize(
    ("flags", "time", "readable"),
    [
        pytest.param(0, NOON_ON_CHIP, True, id="all well"),
        pytest.param(None, NOON_ON_CHIP, True, id="no such flag"),
        pytest.param(BACKUP_LOW, NOON_ON_CHIP, True, id="battery low"),
        pytest.param(VL_DATA_INVALID, NOON_ON_CHIP, False, id="power was lost"),
        pytest.param(VL_BACKUP_EMPTY, NOON_ON_CHIP, False, id="battery empty"),
        pytest.param(0, None, False, id="its driver calls the time invalid"),
    ],
)
def test_a_chip_that_lost_power_is_not_read(flags, time, readable, tmp_path, monkeypatch):
    device = tmp_path / "rtc"
    device.touch()
    clock = LinuxClock(Settings())
    monkeypatch.setattr(clock, "_rtc", str(device))
    monkeypatch.setattr(clock_linux, "ioctl", Chip(flags, time))
    assert clock.rtc_ms() == (int(NOON.timestamp()) * 1000 if readable else None)


@pytest.mark.parametrize("device", ["", "/dev/rtc99", "/dev/null"])
def test_no_chip_is_no_reading(device, monkeypatch):
    clock = LinuxClock(Settings())
    monkeypatch.setattr(clock, "_rtc", device)
    assert clock.rtc_ms() is None


def test_without_a_boot_id_every_start_is_a_boot_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(clock_linux, "BOOT_ID", tmp_path / "hidden")
    assert LinuxClock(Settings()).boot_id() != LinuxClock(Settings()).boot_id()
