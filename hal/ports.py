"""The hardware ports of a door unit, and what a driver must and may do.

Rules for every driver:

- MUST NOT block its caller. Only `open` (5 s) and `read` of a camera MAY, because it has a process to itself, and any
  `close` MAY take 1 s.
- MUST raise only `hal.errors.HardwareFault` and its children (`ValueError` for an argument that breaks the contract).
- MUST be safe to `close` twice, and after a fault. Nothing else may be called after `close`.
- MUST NOT read a wall clock (but a `TimeSource`, which is one), write a file or log; time inside a driver is
  `time.monotonic`.
- What can be read MUST fit a selector: `fileno()` turns readable when `read()` has something; `read()` never waits.
- MAY own threads. They never call into the core: they leave their news in a `hal.mailbox.Mailbox`.

Five lines of use::

    board = Board("lgpio")
    driver = catalog.driver("lock", "gpio")
    lock = driver.open(msgspec.convert({"pin": 17}, driver.Settings), board)
    lock.release(5.0)       # on now, off by itself in 5 s
    lock.close(); board.close()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, get_args

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Frame: TypeAlias = npt.NDArray[np.uint8]

LEASE_MAX_S: Final = 10.0
"""Longest time a lock stays released without a renewal: the bound for a caller that hangs."""

KEYPAD_SYMBOLS: Final = "0123456789#*"

Signal: TypeAlias = Literal["idle", "granted", "refused", "wait", "fault", "off"]
SIGNALS: Final[tuple[Signal, ...]] = get_args(Signal)

SoundName: TypeAlias = Literal["key", "granted", "refused", "wait", "fault", "silence"]
SOUNDS: Final[tuple[SoundName, ...]] = get_args(SoundName)

SCANNED_CHARS: Final = 300
"""Longest text a scanner gives; of a longer one the start. A pass has 60 characters, over 256 is foreign."""


class Keypad(Protocol):
    """Digits, `#` and `*`, in the order they were pressed.

    MUST give each press once, as one of `KEYPAD_SYMBOLS`; MUST ignore (and MAY count) anything else it hears.
    MUST drop what was typed before it was opened: a code nobody is standing at any more opens nothing. MUST NOT come up
    while it cannot hear the device, where the device can tell: a dead keypad is a `DeviceMissing` or a `DeviceLost`.
    """

    def fileno(self) -> int:
        """Descriptor that is readable when `read` has symbols or a loss to tell."""

    def read(self) -> list[str]:
        """The symbols since the last call, possibly none. Raises `DeviceLost` when the device has gone."""

    def close(self) -> None:
        """Give the device back."""


class Contact(Protocol):
    """One switch: door contact (active = leaf open), exit button (active = pressed), tamper (active = opened), ...

    MUST report a level only after it stood still for the debounce time; MUST see every press of 400 ms or more
    (EN/IEC 60839-11-1). `read` alternates: never two equal values in a row. MUST know its state when opened, without
    reporting that as a change.
    """

    @property
    def active(self) -> bool:
        """The debounced state now; equal to the last value `read` has given or will give."""

    def fileno(self) -> int:
        """Descriptor that is readable when `read` has changes."""

    def read(self) -> list[bool]:
        """The debounced changes since the last call, oldest first, True = became active.

        Raises `DeviceLost` when the line can no longer be read.
        """

    def close(self) -> None:
        """Stop watching and give the line back."""


class Lock(Protocol):
    """The relay that lets the door be opened from outside.

    MUST be secured when opened, without one released instant before the first `release`. MUST let go by itself
    `lease_s` after the last `release`, on a timer of its own: no caller, hanging or dead, can hold it. MUST be
    secured by `close`, at the end of the interpreter, and when its timer fails; MUST then refuse `release`.
    """

    @property
    def released(self) -> bool:
        """True while the relay is energised, also when the driver tried to switch it off and could not."""

    def release(self, lease_s: float) -> None:
        """Energise, or set the end of a release that is on to `lease_s` from now.

        `lease_s`: 0 < seconds <= `LEASE_MAX_S`, else `ValueError`. Raises `StrikeFault`, and then the relay is off
        or the driver is still trying to switch it off.
        """

    def secure(self) -> None:
        """De-energise now. Raises `StrikeFault` when that fails."""

    def close(self) -> None:
        """Secure and give the line back."""


class Light(Protocol):
    """What the person at the door sees. MAY be one LED: then a signal is a rhythm.

    MUST show the newest signal until the next; MAY end a signal that is a short rhythm in darkness.
    """

    def show(self, signal: Signal) -> None:
        """Show one of `SIGNALS`, else `ValueError`. Showing the running signal again starts it anew."""

    def close(self) -> None:
        """Dark, and give the lines back."""


class Sound(Protocol):
    """What the person at the door hears. MAY be a buzzer with one tone: then a sound is a rhythm.

    MUST play the newest sound only; a sound ends by itself. MUST sound alike for every key.
    """

    def play(self, sound: SoundName) -> None:
        """Play one of `SOUNDS` from its beginning, else `ValueError`."""

    def close(self) -> None:
        """Silent, and give the line back."""


class Scanner(Protocol):
    """A reader that decodes QR codes itself and tells texts.

    MUST give each reading once, printable ASCII of at most `SCANNED_CHARS`; MUST ignore (and MAY count) anything else.
    MUST drop what was read before it was opened.
    """

    def fileno(self) -> int:
        """Descriptor that is readable when `read` may have texts or a loss to tell."""

    def read(self) -> list[str]:
        """The texts since the last call, possibly none. Raises `DeviceLost` when the device has gone."""

    def close(self) -> None:
        """Give the device back."""


class Camera(Protocol):
    """Grey pictures. Used only by the camera process, which may wait.

    MUST give the newest picture, never a backlog, and no picture twice. MUST NOT keep or write pictures.
    """

    def read(self, timeout_s: float) -> Frame | None:
        """The next picture as uint8 rows x columns, or None when there is none within `timeout_s`.

        Raises `DeviceLost` when the camera has gone or has been silent for too long.
        """

    def close(self) -> None:
        """Give the device back."""


class TimeSource(Protocol):
    """The clocks this machine has. It says what each one shows; what to believe is decided elsewhere.

    MUST NOT raise: a clock that is absent, unreadable or not to be trusted by its own account reads as None. MUST look
    anew at every call. MUST NOT take system time that was restored from a file for a reading.
    """

    def raw_ms(self) -> int:
        """Milliseconds of a counter that nobody sets or slews; never goes back within a boot."""

    def ntp_ms(self) -> int | None:
        """System time in UTC milliseconds, while NTP says it is synchronised."""

    def rtc_ms(self) -> int | None:
        """The battery-backed chip in UTC milliseconds, unless it has lost power."""

    def boot_id(self) -> str:
        """Equal for two calls, also of two processes, only if no boot lies between them."""

    def close(self) -> None:
        """Give everything back."""
