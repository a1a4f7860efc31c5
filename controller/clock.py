"""What time it is, and how far that may be believed. Pure: readings come in, `(now, state)` goes out.

Three kinds of reading, none of them trusted blindly:

- *signed*: the hub's receipt for an event this door wrote at most 60 s ago,
- *NTP*: system time while NTP says it is synchronised,
- *RTC*: the battery-backed chip at start, unless it says it lost power.

Between readings time is the last trusted one plus what the raw monotonic clock counted. The *floor* is the second
that certainly has passed: 120 s before the newest believed signed time, moving on at 0.999 of elapsed time. Unsigned
time never moves it, so nobody who forges NTP can lift it.

    clock = Clock.start(Readings(raw_ms, ntp_ms=…, rtc_ms=…), floor_s, restored)
    clock.observe(Readings(raw_ms, ntp_ms=…, rtc_ms=None))
    clock.signed(raw_ms, signed_ms)
    now = clock.now(raw_ms)
"""

from __future__ import annotations

from typing import Literal

import msgspec

from controller.formats.event import ClockState

AGREE_MS = 60_000  # two clocks this near each other tell the same time
FLOOR_BEHIND_MS = 120_000
FLOOR_PACE = 0.999
DRIFT = 100e-6  # a crystal's worst: 100 ppm
PULL_MS_PER_MINUTE = 1_000
DAY_MS = 86_400_000
SIGNED_FRESH_MS = DAY_MS  # a door that heard nobody for longer runs on its own: holdover

TRUSTED = frozenset({"synced", "holdover"})

Source = Literal["ntp", "rtc", "signed", "restored", "none"]


class Readings(msgspec.Struct, frozen=True):
    """What the unit's own sources say: `raw_ms` monotonic, the others UTC milliseconds or None."""

    raw_ms: int
    ntp_ms: int | None
    rtc_ms: int | None


class Restored(msgspec.Struct, frozen=True):
    """The clock as it was written down earlier in the same boot."""

    raw_ms: int
    utc_ms: int
    state: ClockState
    source: Source


class Clock:
    """The door's clock."""

    def __init__(self, raw_ms: int, utc_ms: int, state: ClockState, source: Source, floor_ms: int) -> None:
        self._raw_ms = raw_ms
        self._utc_ms = utc_ms
        self._floor_ms = floor_ms
        self._floor_raw_ms = raw_ms
        self._compared_raw_ms = raw_ms  # the last time a signed reading, or the start, set the scale for NTP
        self._pulled_raw_ms = raw_ms
        self._signed_raw_ms: int | None = None
        self._ntp_holds = source == "ntp"
        self._ntp_ms: tuple[int, int] | None = None  # (raw, utc) of the last NTP reading
        self._ntp_confirmed = False
        self._dissent_raw_ms: int | None = None
        self._state = state
        self._source = source
        self._ntp_disagrees = False
        self._signed_disagrees = False

    @classmethod
    def start(cls, readings: Readings, floor_s: int, restored: Restored | None = None) -> Clock:
        """The clock at start. `floor_s` is the persisted floor (0: none), `restored` only for a restart within one
        boot."""
        raw_ms, floor_ms = readings.raw_ms, floor_s * 1000
        if restored is not None and restored.state in TRUSTED:
            utc_ms = restored.utc_ms + raw_ms - restored.raw_ms
            clock = cls(raw_ms, utc_ms, restored.state, restored.source, floor_ms)
            clock._ntp_holds = False
            clock.observe(readings)
            return clock
        ntp = readings.ntp_ms if readings.ntp_ms is not None and readings.ntp_ms >= floor_ms else None
        rtc = readings.rtc_ms if readings.rtc_ms is not None and readings.rtc_ms >= floor_ms else None
        if ntp is not None and (rtc is None or abs(ntp - rtc) <= AGREE_MS):
            clock = cls(raw_ms, ntp, "synced", "ntp", floor_ms)
            clock._ntp_ms = (raw_ms, ntp)
            return clock
        if rtc is not None:
            clock = cls(raw_ms, rtc, "holdover", "rtc", floor_ms)
            clock._ntp_ms = None if readings.ntp_ms is None else (raw_ms, readings.ntp_ms)
            clock._ntp_disagrees = ntp is not None
            return clock
        return cls(raw_ms, floor_ms, "floor" if floor_ms else "bad", "none", floor_ms)

    # ---- reading it

    @property
    def trusted(self) -> bool:
        return self._state in TRUSTED

    @property
    def state(self) -> ClockState:
        return self._state

    @property
    def fault(self) -> bool:
        """Whether two sources disagree: NTP with this clock, or a signed reading that was not believed."""
        return self._ntp_disagrees or self._signed_disagrees

    def reading(self, raw_ms: int) -> tuple[int, ClockState, int]:
        """`utc_ms`, `state` and `floor_s` at one instant."""
        floor_ms = self._own_floor_ms(raw_ms)
        if self._state not in TRUSTED:
            return floor_ms, self._state, floor_ms // 1000
        utc_ms = self._utc_ms + raw_ms - self._raw_ms
        return utc_ms, self._state, max(0, min(floor_ms, utc_ms - FLOOR_BEHIND_MS)) // 1000

    def utc_ms(self, raw_ms: int) -> int:
        """UTC milliseconds; the floor itself while nothing better is known."""
        return self._utc_ms + raw_ms - self._raw_ms if self.trusted else self._own_floor_ms(raw_ms)

    def floor_s(self, raw_ms: int) -> int:
        """The UTC second that certainly has passed; while the clock is trusted never above now - 120 s."""
        return self.reading(raw_ms)[2]

    def kept_floor_s(self, raw_ms: int) -> int:
        """The floor to write down: what signed time alone has earned."""
        return self._own_floor_ms(raw_ms) // 1000

    def restorable(self, raw_ms: int) -> Restored:
        """What a restart within this boot goes on from."""
        return Restored(raw_ms, self.utc_ms(raw_ms), self._state, self._source)

    # ---- setting it

    def observe(self, readings: Readings) -> None:
        """Take the unit's own readings, at least once a minute."""
        raw_ms, ntp_ms = readings.raw_ms, readings.ntp_ms
        self._ntp_ms = None if ntp_ms is None else (raw_ms, ntp_ms)
        if not self.trusted:
            if ntp_ms is not None and ntp_ms >= self._own_floor_ms(raw_ms):
                self._set(raw_ms, ntp_ms, "ntp")
            return
        if ntp_ms is None:
            self._ntp_holds = False
        else:
            off_ms = ntp_ms - self.utc_ms(raw_ms)
            self._ntp_holds = abs(off_ms) <= AGREE_MS + DRIFT * (raw_ms - self._compared_raw_ms)
            if self._ntp_holds:
                self._pull(raw_ms, off_ms)
            self._ntp_disagrees = not self._ntp_holds
        fresh = self._signed_raw_ms is not None and raw_ms - self._signed_raw_ms < SIGNED_FRESH_MS
        disagrees = ntp_ms is not None and not self._ntp_holds
        self._state = "synced" if self._ntp_holds or (fresh and not disagrees) else "holdover"

    def signed(self, raw_ms: int, signed_ms: int) -> bool:
        """Take a signed reading; whether it was believed."""
        if self.trusted and abs(signed_ms - self.utc_ms(raw_ms)) > AGREE_MS:
            if not self._believes(raw_ms, signed_ms):
                self._signed_disagrees = True
                return False
            self._set(raw_ms, signed_ms, "signed")
        elif not self.trusted:
            self._set(raw_ms, signed_ms, "signed")
        self._ntp_confirmed = self._ntp_confirmed or self._ntp_agrees(raw_ms, signed_ms)
        self._dissent_raw_ms, self._signed_disagrees = None, False
        self._signed_raw_ms = self._compared_raw_ms = raw_ms
        self._set_floor(raw_ms, signed_ms - FLOOR_BEHIND_MS)
        if self._ntp_ms is None or self._ntp_holds:
            self._state, self._ntp_disagrees = "synced", False
        return True

    def set_floor(self, raw_ms: int, floor_s: int) -> None:
        """A trust document's `time_floor`: signed by the offline keys, so it moves the floor either way."""
        before_it = not self.trusted or self.utc_ms(raw_ms) < floor_s * 1000
        self._set_floor(raw_ms, floor_s * 1000)
        if before_it:
            self._state, self._source = ("floor" if self._floor_ms else "bad"), "none"

    def _believes(self, raw_ms: int, signed_ms: int) -> bool:
        """Whether a signed reading that is far off sets the clock: not against an NTP that signed time has confirmed
        since start, and not more than a day against RTC or NTP before it has been said for a day."""
        if self._ntp_holds and self._ntp_confirmed:
            return False
        far = abs(signed_ms - self.utc_ms(raw_ms)) > DAY_MS
        if not far or self._source not in {"rtc", "ntp"}:
            return True
        if self._ntp_agrees(raw_ms, signed_ms):
            return True
        if self._dissent_raw_ms is None:
            self._dissent_raw_ms = raw_ms
        return raw_ms - self._dissent_raw_ms >= DAY_MS

    def _set(self, raw_ms: int, utc_ms: int, source: Source) -> None:
        self._raw_ms, self._utc_ms, self._source = raw_ms, utc_ms, source
        self._compared_raw_ms = self._pulled_raw_ms = raw_ms
        self._ntp_holds = self._ntp_agrees(raw_ms, utc_ms)  # it has to prove itself against the new time
        self._ntp_disagrees = self._ntp_ms is not None and not self._ntp_holds
        self._state = "holdover" if self._ntp_disagrees else "synced"

    def _ntp_agrees(self, raw_ms: int, utc_ms: int) -> bool:
        """Whether NTP, where there is any, tells the time a signed reading tells."""
        if self._ntp_ms is None:
            return False
        ntp_raw_ms, ntp_ms = self._ntp_ms
        return abs(ntp_ms + raw_ms - ntp_raw_ms - utc_ms) <= AGREE_MS

    def _pull(self, raw_ms: int, off_ms: int) -> None:
        """Follow NTP by at most 1 s a minute: a step would be somebody's, a crystal never needs one."""
        allowed = PULL_MS_PER_MINUTE * (raw_ms - self._pulled_raw_ms) // 60_000
        if off_ms and allowed:
            step = max(-allowed, min(allowed, off_ms))
            self._utc_ms, self._raw_ms = self.utc_ms(raw_ms) + step, raw_ms
        if allowed:
            self._pulled_raw_ms = raw_ms

    def _own_floor_ms(self, raw_ms: int) -> int:
        if not self._floor_ms:
            return 0
        return self._floor_ms + int(FLOOR_PACE * (raw_ms - self._floor_raw_ms))

    def _set_floor(self, raw_ms: int, floor_ms: int) -> None:
        self._floor_ms, self._floor_raw_ms = max(0, floor_ms), raw_ms
