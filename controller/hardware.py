"""The unit's hardware as configured: opened, and what each input's news mean. The only module beside the runner and the
commands that knows drivers.

| section | what it tells the door |
|---|---|
| `[keypads.<name>]` | `KeyPressed`; with `inside = true` only to sign out |
| `[scanners.<name>]` | `QrRead`; with `inside = true` only to sign out |
| `[contact]` | `LeafMoved` |
| `[exit_button]` | `ExitPressed` |
| `[tamper]` `[fire]` `[legacy]` | faults `tamper`, `fire`, `legacy_opened`, for as long as they are active |
| `[housing_button]` | `HousingButton`: held for 3 s it lets the unit be enrolled anew |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from controller.config import Config, Part
from controller.door_events import Event, ExitPressed, FaultChanged, HousingButton, KeyPressed, LeafMoved, QrRead
from controller.formats.errors import Refused
from controller.signals import Signals
from hal.errors import HardwareFault
from hal.pins import Board
from hal.ports import Contact, Keypad, Lock, Scanner, TimeSource

ALARMS: Final = {"tamper": "tamper", "fire": "fire", "legacy": "legacy_opened"}
"""Switch -> the fault that it is while active. The legacy contact is the badge reader's that opened the same door."""

SWITCHES: Final[dict[str, Callable[[Any], Event | None]]] = {
    "contact": LeafMoved,
    "exit_button": lambda pressed: ExitPressed() if pressed else None,
    "housing_button": HousingButton,
    **{switch: partial(FaultChanged, fault) for switch, fault in ALARMS.items()},
}
"""Switch -> what a change of it means."""


@dataclass(eq=False)
class Input:
    """One keypad, scanner or switch. `port` is None while the device is away; `fault` is its word in the fault list;
    `event` is what one piece of its news means to the door, None nothing."""

    name: str
    fault: str
    open: Callable[[], Any]
    event: Callable[[Any], Event | None]
    port: Keypad | Scanner | Contact | None = None

    def try_open(self) -> Keypad | Scanner | Contact | None:
        """The port, or None while the device is away. May take as long as a driver's `open` may."""
        try:
            port: Keypad | Scanner | Contact = self.open()
        except HardwareFault:
            return None
        return port


class Hardware:
    """All ports of one unit. Lock and clock must open; an input that is away is a fault and is tried again."""

    def __init__(self, config: Config) -> None:
        config.check_pins(config.parts())
        keypads, scanners = config.keypads(), config.scanners()
        if not keypads and not scanners and not config.has("camera"):
            raise Refused("bad_config", "[keypads]", "a door needs a keypad, a scanner or a camera")
        self._board = Board(config.gpio.factory)
        self.lock: Lock = self._opened(config.required("lock"))
        self.clock: TimeSource = self._opened(config.required("clock"))
        light, sound = config.part("light"), config.part("sound")
        self.signals = Signals(self._opened(light) if light else None, self._opened(sound) if sound else None)
        self.inside = frozenset(name for name, part in keypads.items() if part.inside)
        self.scans = {part.inside for part in scanners.values()}  # on which sides of the door: True is inside
        self.keypads = {name: self._keypad(name, part) for name, part in keypads.items()}
        self.scanners = {name: self._scanner(name, part) for name, part in scanners.items()}
        self.switches = {name: self._switch(name, part) for name in SWITCHES if (part := config.part(name))}

    def inputs(self) -> Iterator[Input]:
        """Everything that is read; switches first, so that the leaf is known before anybody can type."""
        yield from self.switches.values()
        yield from self.keypads.values()
        yield from self.scanners.values()

    def active(self, switch: str) -> bool:
        """Whether a switch is active now; False without one, or while it is away."""
        source = self.switches.get(switch)
        return source is not None and source.port is not None and bool(getattr(source.port, "active", False))

    def states(self) -> Iterator[Event]:
        """What the switches say now, of those whose state and not only its change means something."""
        for source in self.switches.values():
            if source.port is not None:
                event = source.event(self.active(source.name))
                if isinstance(event, (FaultChanged, LeafMoved)):
                    yield event

    def close(self) -> None:
        """Secure the lock and give everything back."""
        self.lock.close()
        for source in self.inputs():
            if source.port is not None:
                source.port.close()
        self.signals.close()
        self.clock.close()
        self._board.close()

    def _opened(self, part: Part) -> Any:
        return part.driver.open(part.settings, self._board)

    def _keypad(self, name: str, part: Part) -> Input:
        return Input(name, "keypad", partial(self._opened, part), partial(KeyPressed, name))

    def _scanner(self, name: str, part: Part) -> Input:
        return Input(name, "scanner", partial(self._opened, part), partial(QrRead, inside=part.inside))

    def _switch(self, name: str, part: Part) -> Input:
        # Not by its own name: a fire contact whose line is dead is no fire.
        return Input(name, "contact" if name == "contact" else "switch", partial(self._opened, part), SWITCHES[name])
