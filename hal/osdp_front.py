"""What an OSDP keypad shows and sounds: orders for its light and buzzer, waiting for the keypad's own poll.

Light, buzzer and keys are one device on one line, and the line is the keypad driver's (`keypad_osdp.py`). The drivers
of light and buzzer leave their orders here, under the device's path; the keypad takes them while its channel is up.
While it is away nothing waits but the light's newest level: an old sound would be a lie.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

Colour = Literal["dark", "green", "red", "amber"]
ORDERS_MAX: Final = 16


@dataclass(frozen=True)
class Lamp:
    """The light is this colour from now on."""

    colour: Colour


@dataclass(frozen=True)
class Tone:
    """The buzzer sounds from now on, or is silent."""

    on: bool


Order = Lamp | Tone


@dataclass
class Front:
    """The orders for one device, in their order. Light and sound threads put in, the keypad's thread takes."""

    _orders: deque[Order] = field(default_factory=lambda: deque(maxlen=ORDERS_MAX))
    _lamp: Lamp = Lamp("dark")
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def put(self, order: Order) -> None:
        """Leave an order; of a device that takes none the oldest are forgotten."""
        with self._guard:
            if isinstance(order, Lamp):
                self._lamp = order
            self._orders.append(order)

    def take(self) -> Order | None:
        """The next order, None when there is none."""
        with self._guard:
            return self._orders.popleft() if self._orders else None

    def came_up(self) -> None:
        """The channel is new: the device remembers nothing, and what was ordered before is over."""
        with self._guard:
            self._orders.clear()
            self._orders.extend((self._lamp, Tone(False)))


_fronts: dict[str, Front] = {}
_guard = threading.Lock()


def front_of(device: str) -> Front:
    """The one front of a device, by its path; the same for keypad, light and sound of a process."""
    with _guard:
        return _fronts.setdefault(device, Front())
