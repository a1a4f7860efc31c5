"""Lock relay on one GPIO line, on a lease.

The runner renews a lease of at most 10 s; when it stops renewing, for whatever reason, a timer thread in here lets go.
What this process cannot guard against (its own SIGKILL on a kernel that keeps outputs driven) is the business of
`ExecStopPost`, `dtparam=strict_gpiod`, the hardware watchdog and an external pull-down.

The line is GPIO 9-27: lines 0-8 pull up at power-on and would energise the relay before Linux runs. A relay board that
is energised by a low level is refused unless `active_low_confirmed` says so out loud: without power to the Pi, or with
the line still an input, such a board may stand released. gpiozero also claims an output low for some microseconds
before it writes the idle level; too short for a relay, not for a solid-state one.
"""

import atexit
import threading
from time import monotonic
from typing import Annotated, Final

import msgspec
from gpiozero import DigitalOutputDevice

from hal.errors import DeviceMissing, StrikeFault, translated
from hal.pins import Board
from hal.ports import LEASE_MAX_S, Lock

RETRY_S: Final = 0.1
"""Pause between attempts to switch off a relay that did not obey."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`pin`: BCM line, 9-27. `active_low` needs `active_low_confirmed` beside it."""

    pin: Annotated[int, msgspec.Meta(ge=9, le=27)]
    active_low: bool = False
    active_low_confirmed: bool = False

    def __post_init__(self) -> None:
        if self.active_low and not self.active_low_confirmed:
            raise ValueError("an active-low lock relay may stand released without power: set active_low_confirmed too")

    def pins(self) -> dict[str, int]:
        """Setting name -> BCM line."""
        return {"pin": self.pin}


def open(settings: Settings, board: Board) -> Lock:
    """Claim the line, secured. Raises `DeviceMissing` or `BoardFault`."""
    return GpioLock(settings, board)


class GpioLock:
    """See `hal.ports.Lock`. One condition guards line, deadline and end; whoever holds it may write the line."""

    def __init__(self, settings: Settings, board: Board) -> None:
        factory = board.factory()
        with translated(DeviceMissing, f"lock relay on GPIO {settings.pin}"):
            # gpiozero makes the line an input first: a relay left energised by a killed predecessor drops here.
            self._relay = DigitalOutputDevice(
                settings.pin, active_high=not settings.active_low, initial_value=False, pin_factory=factory
            )
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._closed = False
        self._timer = threading.Thread(target=self._keep_lease, name="lock-lease", daemon=True)
        self._timer.start()
        atexit.register(self.close)

    @property
    def released(self) -> bool:
        """True while the relay is energised or could not be switched off."""
        with self._changed:
            return self._deadline is not None

    def release(self, lease_s: float) -> None:
        """Energise or prolong; off by itself `lease_s` from now."""
        if not 0 < lease_s <= LEASE_MAX_S:
            raise ValueError(f"a lease is more than 0 and at most {LEASE_MAX_S} s, not {lease_s}")
        with self._changed:
            if self._closed:
                raise StrikeFault("lock relay is closed")
            if not self._timer.is_alive():
                raise StrikeFault("lock relay has no timer any more; it stays secured")
            # The deadline comes first: should the write fail half way, the timer still switches off. Waking the timer
            # comes last: it cannot do anything before we leave, and somebody waits at the door.
            self._deadline = monotonic() + lease_s
            try:
                with translated(StrikeFault, "lock relay cannot be energised"):
                    self._relay.on()
            finally:
                self._changed.notify()

    def secure(self) -> None:
        """De-energise now."""
        with self._changed:
            if self._closed:
                return
            if self._deadline is not None:
                # Should the write fail, the lease is over all the same and the timer keeps trying.
                self._deadline = monotonic()
                self._changed.notify()
            self._let_go()

    def close(self) -> None:
        """Secure, end the timer, make the line an input. The board frees it."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify()
        atexit.unregister(self.close)
        self._timer.join(timeout=1.0)
        with self._changed, translated(StrikeFault, "lock relay cannot be closed"):
            self._let_go()
            self._relay.close()

    def _let_go(self) -> None:
        with translated(StrikeFault, "lock relay cannot be de-energised"):
            self._relay.off()
        self._deadline = None

    def _keep_lease(self) -> None:
        with self._changed:
            try:
                while not self._closed:
                    self._changed.wait(None if self._deadline is None else max(0.0, self._deadline - monotonic()))
                    self._end_lease_if_over()
            finally:
                # Also when the timer fails: a lock nobody times is a secured lock.
                self._let_go()

    def _end_lease_if_over(self) -> None:
        if self._deadline is None or monotonic() < self._deadline:
            return
        try:
            self._let_go()
        except StrikeFault:
            # `released` stays true, which the runner raises as a fault; keep trying.
            self._deadline = monotonic() + RETRY_S
