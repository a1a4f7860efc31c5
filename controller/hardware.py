"""The unit's hardware as configured: opened, read, reopened when it comes back. The only module beside the runner and
the commands that knows drivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from controller.config import Config, Part
from controller.formats.errors import Refused
from hal.errors import HardwareFault
from hal.pins import Board
from hal.ports import Contact, Keypad, Light, Lock, TimeSource


class Readable(Protocol):
    """What a selector waits for."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


@dataclass
class Input:
    """One keypad or switch. `port` is None while the device is away; `fault` is its word in the fault list."""

    name: str
    fault: str
    open: Callable[[], Any]
    port: Keypad | Contact | None = None


class Hardware:
    """All ports of one unit. Lock and clock must open; an input that is away is a fault and is tried again."""

    def __init__(self, config: Config) -> None:
        lock, clock = config.required("lock"), config.required("clock")
        switches = {name: config.part(name) for name in ("contact", "exit_button")}
        keypads = config.keypads()
        light = config.part("light")
        if not keypads and not config.has("camera"):
            raise Refused("bad_config", "[keypads]", "a door needs a keypad or a camera")
        config.check_pins([part for part in (lock, clock, *switches.values(), *keypads.values(), light) if part])
        self._board = Board(config.gpio.factory)
        self.lock: Lock = lock.driver.open(lock.settings, self._board)
        self.clock: TimeSource = clock.driver.open(clock.settings, self._board)
        self.light: Light | None = light.driver.open(light.settings, self._board) if light else None
        self.keypads = {name: self._input(name, "keypad", part) for name, part in keypads.items()}
        self.contact = self._switch(switches["contact"], "contact")
        self.exit_button = self._switch(switches["exit_button"], "exit_button")

    def inputs(self) -> Iterator[Input]:
        """Everything that is read."""
        yield from self.keypads.values()
        for switch in (self.contact, self.exit_button):
            if switch is not None:
                yield switch

    def leaf_open(self) -> bool:
        """Whether the door contact says open; False without one."""
        port = self.contact.port if self.contact else None
        return port is not None and bool(getattr(port, "active", False))

    def close(self) -> None:
        """Secure the lock and give everything back."""
        self.lock.close()
        for source in self.inputs():
            if source.port is not None:
                source.port.close()
        if self.light is not None:
            self.light.close()
        self.clock.close()
        self._board.close()

    def _switch(self, part: Part | None, fault: str) -> Input | None:
        return None if part is None else self._input(part.section, fault, part)

    def _input(self, name: str, fault: str, part: Part) -> Input:
        return Input(name, fault, lambda: part.driver.open(part.settings, self._board))


def try_open(source: Input) -> bool:
    """Open an input that is away; whether it is there now."""
    try:
        source.port = source.open()
    except HardwareFault:
        source.port = None
    return source.port is not None
