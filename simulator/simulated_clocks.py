"""What a door of the simulated world has for clocks: a counter, NTP and a clock chip, each wrong in its own way."""

from __future__ import annotations

from collections.abc import Callable

DAY_MS = 86_400_000


class SimulatedClocks:
    """The unit's time sources. `true_ms` is the world's time; everything here may be wrong in its own way."""

    def __init__(self, true_ms: Callable[[], int]) -> None:
        self._true_ms = true_ms
        self.boot = 0
        self.changed_ms = 0
        self._far_ms = 0
        self._booted_ms = 0
        self._ntp_off_ms: int | None = 0
        self._rtc_off_ms: int | None = 0
        self.drift_ppm = 0

    @property
    def ntp_off_ms(self) -> int | None:
        """How far off NTP is; None when there is none."""
        return self._ntp_off_ms

    def set_ntp(self, off_ms: int | None) -> None:
        """Make NTP wrong, right (0) or gone."""
        self._note_far(self._ntp_off_ms)
        self._ntp_off_ms, self.changed_ms = off_ms, self._true_ms()

    def set_rtc(self, off_ms: int | None) -> None:
        """Make the clock chip wrong, right (0) or dead."""
        self._note_far(self._rtc_off_ms)
        self._rtc_off_ms, self.changed_ms = off_ms, self._true_ms()

    @property
    def lately_far_off(self) -> bool:
        """Whether a source is a day off, or was a day ago: so long a door may hold on to what it said."""
        now_far = any(abs(off_ms) >= DAY_MS for off_ms in (self._ntp_off_ms or 0, self._rtc_off_ms or 0))
        return now_far or self._true_ms() - self._far_ms < 26 * 3_600_000

    def _note_far(self, off_ms: int | None) -> None:
        if off_ms is not None and abs(off_ms) >= DAY_MS:
            self._far_ms = self._true_ms()

    def power_on(self) -> None:
        """A new boot: the monotonic clock starts again."""
        self.boot += 1
        self._booted_ms = self._true_ms()

    def raw_ms(self) -> int:
        elapsed_ms = self._true_ms() - self._booted_ms
        return elapsed_ms + elapsed_ms * self.drift_ppm // 1_000_000 if self.drift_ppm else elapsed_ms

    def ntp_ms(self) -> int | None:
        return None if self._ntp_off_ms is None else self._true_ms() + self._ntp_off_ms

    def rtc_ms(self) -> int | None:
        return None if self._rtc_off_ms is None else self._true_ms() + self._rtc_off_ms

    def boot_id(self) -> str:
        return f"boot-{self.boot}"

    def close(self) -> None:
        """Nothing to give back."""
