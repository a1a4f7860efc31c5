"""The clocks of a Linux machine: the kernel's raw counter, its system time while NTP holds it, and the RTC chip.

Everything comes from the kernel's own answer (`adjtimex`, `ioctl`), never from a file that some daemon restores: system
time that a service put back from disk at boot is a guess and reads as no NTP here. Where this process may not ask,
since the same call can set the clock, another one asks and tells (`controller/clock_teller.py`).
"""

from __future__ import annotations

import builtins
import ctypes
import os
import struct
from contextlib import suppress
from datetime import UTC, datetime
from fcntl import ioctl
from pathlib import Path
from time import CLOCK_MONOTONIC_RAW, clock_gettime_ns
from typing import Annotated, Final
from uuid import uuid4

import msgspec

from hal.pins import Board
from hal.ports import TimeSource

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

# <linux/rtc.h>; the numbers are those of every architecture but MIPS, PowerPC and SPARC.
RTC_RD_TIME: Final = 0x80247009
RTC_VL_READ: Final = 0x80047013
VL_DATA_INVALID: Final = 0x1
VL_BACKUP_EMPTY: Final = 0x4
RTC_TIME: Final = struct.Struct("=9i")
"""`struct rtc_time`: second, minute, hour, day, month from 0, year from 1900, and three that no chip fills in."""
VL_FLAGS: Final = struct.Struct("=I")

# <linux/timex.h>
STA_UNSYNC: Final = 0x0040
STA_NANO: Final = 0x2000

TELL_EVERY_S: Final = 5
TOLD_MAX_AGE_MS: Final = 30_000
"""A line older than this was written by a process that is no more."""
TOLD_CHARS: Final = 64


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`rtc`: the chip with a battery, kept in UTC; `""` = there is none. A Raspberry Pi before the 5 has none. `told`:
    the file in which another process says what the kernel says of NTP; where it is not there, the kernel is asked."""

    rtc: Annotated[str, msgspec.Meta(pattern=r"^(/dev/rtc\d{0,2})?$(?!\n)")] = "/dev/rtc0"
    told: Annotated[str, msgspec.Meta(pattern=r"^/[!-~]{1,200}$(?!\n)")] = "/run/zaalsleutel-clock/ntp"


class _TimeVal(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("fraction", ctypes.c_long))


class _Timex(ctypes.Structure):
    """`struct timex`. `fraction` of the time is nanoseconds with `STA_NANO`, else microseconds."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("max_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _TimeVal),
        ("unread", ctypes.c_char * 160),  # more than the kernel writes: 112 bytes on a 64-bit machine
    )


def open(settings: Settings, _board: Board | None = None) -> TimeSource:
    """Never raises: a chip that is absent now reads as None, and is asked again each time."""
    return LinuxClock(settings)


class LinuxClock:
    """See `hal.ports.TimeSource`."""

    def __init__(self, settings: Settings) -> None:
        self._rtc = settings.rtc
        self._told = settings.told
        self._boot_id = boot_id()
        self._kernel = KernelClock()

    def raw_ms(self) -> int:
        """Milliseconds since some instant before this boot's first process."""
        return raw_ms()

    def ntp_ms(self) -> int | None:
        """UTC milliseconds while the kernel counts itself synchronised: an NTP client has set it, and since then its
        largest possible error stayed under 16 s (about 9 hours without a server). From the file where there is one."""
        try:
            with builtins.open(self._told, encoding="ascii", errors="replace") as told:
                return told_ms(told.read(TOLD_CHARS), self.raw_ms())
        except OSError:
            return self._kernel.ntp_ms()

    def rtc_ms(self) -> int | None:
        """UTC milliseconds of the chip, up to 1 s old, because it counts whole seconds."""
        if not self._rtc:
            return None
        with suppress(OSError):  # absent, held by another process, or its driver calls its time invalid
            chip = os.open(self._rtc, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return None if _lost_power(chip) else chip_ms(ioctl(chip, RTC_RD_TIME, bytes(RTC_TIME.size)))
            finally:
                os.close(chip)
        return None

    def boot_id(self) -> str:
        """The kernel's name for this boot."""
        return self._boot_id

    def close(self) -> None:
        """Nothing is held."""


class KernelClock:
    """The kernel's own word about its time."""

    def __init__(self) -> None:
        self._adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex

    def ntp_ms(self) -> int | None:
        """System time in UTC milliseconds while NTP holds; None otherwise, and where a sandbox forbids to ask, as
        systemd's `ProtectClock=` does."""
        answer = _Timex()  # modes = 0: only look
        if self._adjtimex(ctypes.byref(answer)) < 0:
            return None
        return synchronised_ms(answer.status, answer.time.seconds, answer.time.fraction)


def told_line(kernel: KernelClock) -> str:
    """What one process tells another, for `told_ms`."""
    before, ntp = raw_ms(), kernel.ntp_ms()
    return f"{before} {'-' if ntp is None else ntp}\n"


def told_ms(line: str, now_raw_ms: int) -> int | None:
    """The system's time now, from a line that was written a moment ago; None for an old one, and for nonsense."""
    words = line.split()
    if not line.endswith("\n") or len(words) != 2 or not all(word.isdecimal() for word in words):
        return None
    raw, utc = map(int, words)
    age_ms = now_raw_ms - raw
    return utc + age_ms if 0 <= age_ms <= TOLD_MAX_AGE_MS else None


def raw_ms() -> int:
    """`CLOCK_MONOTONIC_RAW` in milliseconds: no NTP speeds it up or slows it down."""
    return clock_gettime_ns(CLOCK_MONOTONIC_RAW) // 1_000_000


def boot_id() -> str:
    """The kernel's boot id. Where it cannot be read (`ProcSubset=pid`) a name nobody has had before: a restart then
    counts as a new boot and trusts nothing from before, while an empty name would make all boots one."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return str(uuid4())


def synchronised_ms(status: int, seconds: int, fraction: int) -> int | None:
    """What `adjtimex` answered, as UTC milliseconds; None when it is not synchronised."""
    if status & STA_UNSYNC:
        return None
    return seconds * 1000 + fraction // (1_000_000 if status & STA_NANO else 1_000)


def chip_ms(answer: bytes) -> int | None:
    """A `struct rtc_time` as UTC milliseconds; None for what is no date, as from a chip that was never set."""
    second, minute, hour, day, month, year = RTC_TIME.unpack(answer)[:6]
    try:
        return int(datetime(1900 + year, month + 1, day, hour, minute, second, tzinfo=UTC).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def _lost_power(chip: int) -> bool:
    """Whether the chip says its time is from nowhere. Many drivers have no such flag, and refuse to tell an invalid
    time instead."""
    try:
        (flags,) = VL_FLAGS.unpack(ioctl(chip, RTC_VL_READ, bytes(VL_FLAGS.size)))
    except OSError:
        return False
    return bool(flags & (VL_DATA_INVALID | VL_BACKUP_EMPTY))
