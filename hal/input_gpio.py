"""A switch on one GPIO line: door contact, exit button, tamper switch, housing button, fire contact.

Debounced here and not by the pin factory, because the factories disagree on what bounce means (lgpio waits until the
level stands still, RPi.GPIO goes deaf after the first edge, the mock ignores it). An edge only says "look": the level
counts once it stood still for `debounce_ms`, and it is read from the line, so a lost edge heals with the next.
"""

import threading
from typing import Annotated, Literal

import msgspec
from gpiozero import DigitalInputDevice

from hal.errors import DeviceLost, DeviceMissing, translated
from hal.mailbox import Mailbox, received
from hal.pins import Board
from hal.ports import Contact


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`pin`: BCM line. `pull`: the Pi's resistor. `active`: the level that means active.

    The defaults fit a button between the line and ground. A door contact that closes with the leaf wants
    `active = "high"`: an open leaf, and a cut wire too, then read as open. `debounce_ms` stays well under the 400 ms
    that EN/IEC 60839-11-1 wants seen.
    """

    pin: Annotated[int, msgspec.Meta(ge=0, le=27)]
    pull: Literal["up", "down", "none"] = "up"
    active: Literal["low", "high"] = "low"
    debounce_ms: Annotated[int, msgspec.Meta(ge=1, le=200)] = 30

    def pins(self) -> dict[str, int]:
        """Setting name -> BCM line."""
        return {"pin": self.pin}


def open(settings: Settings, board: Board) -> Contact:
    """Claim the line and read it once. Raises `DeviceMissing` or `BoardFault`."""
    return GpioContact(settings, board)


class GpioContact:
    """See `hal.ports.Contact`. A thread sleeps until an edge, and then until the level stands still."""

    def __init__(self, settings: Settings, board: Board) -> None:
        factory = board.factory()
        pulled_up = {"up": True, "down": False, "none": None}[settings.pull]
        self._debounce_s = settings.debounce_ms / 1000
        self._active_high = settings.active == "high"
        self._changes: Mailbox[bool | DeviceLost] = Mailbox()
        self._edge = threading.Event()
        self._closing = False
        with translated(DeviceMissing, f"switch on GPIO {settings.pin}"):
            # gpiozero wants a polarity for an unpulled line only; ours is taken from the raw level in `_look`.
            self._line = DigitalInputDevice(
                settings.pin,
                pull_up=pulled_up,
                active_state=True if pulled_up is None else None,
                pin_factory=factory,
            )
            self._line.when_activated = self._edge.set
            self._line.when_deactivated = self._edge.set
            self._active = self._look()
        self._watcher = threading.Thread(target=self._watch, name=f"switch-{settings.pin}", daemon=True)
        self._watcher.start()

    @property
    def active(self) -> bool:
        """The debounced state."""
        return self._active

    def fileno(self) -> int:
        """Readable when there are changes."""
        return self._changes.fileno()

    def read(self) -> list[bool]:
        """Debounced changes, oldest first. Raises `DeviceLost` when the line can no longer be read."""
        return received(self._changes)

    def close(self) -> None:
        """Stop watching."""
        if self._closing:
            return
        self._closing = True
        self._edge.set()
        self._watcher.join()
        self._changes.close()
        with translated(DeviceMissing, "switch cannot be closed"):
            self._line.close()

    def _look(self) -> bool:
        return bool(self._line.pin.state) == self._active_high

    def _watch(self) -> None:
        try:
            while self._settle():
                active = self._look()
                if active != self._active:
                    self._active = active
                    self._changes.post(active)
        except Exception as cause:  # whatever the backend throws; `read` tells the caller
            self._changes.post(DeviceLost(f"switch cannot be read: {cause}"))

    def _settle(self) -> bool:
        """Wait for an edge, then until there was none for the debounce time. False when closing."""
        self._edge.wait()
        while not self._closing:
            self._edge.clear()
            if not self._edge.wait(self._debounce_s):
                return True
        return False
