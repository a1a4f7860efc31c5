"""Virtual GPIO: a gpiozero pin factory on one end of a Unix socket, a board with wires on the other.

The door's drivers run unmodified. gpiozero finds `VirtualFactory` at its own plugin point (entry-point group
`gpiozero_pin_factories`, name `virtual`); it speaks to the `VirtualBoard` at the socket named by the environment
variable `ZS_VIRTUAL_PINS`. One JSON object a line:

- door -> board, whenever a line changes: `{"pin": 17, "function": "output", "high": true}` or
  `{"pin": 23, "function": "input", "pull": "up"}`;
- board -> door, the level of an input: `{"pin": 23, "high": false, "answer": true}` once in answer to each input
  statement, and without `answer` each time the outside world changes it.

When the connection ends, the board takes every line of that door back, as a kernel with `strict_gpiod` does; with
`persist_outputs=True` driven outputs stay as they were, as on a stock Raspberry Pi kernel.
"""

import json
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from gpiozero import PinFixedPull, PinInvalidFunction, PinInvalidPull, PinSetInput
from gpiozero.pins.pi import PiFactory, PiPin

SOCKET_VARIABLE: Final = "ZS_VIRTUAL_PINS"
ZERO_2W: Final = 0x902120
"""The board revision the factory claims to be: a Pi Zero 2 W, the smallest unit we support."""
ANSWER_S: Final = 5.0
"""Longest wait for the board's answer to an input statement."""
HISTORY: Final = 10_000
"""Level changes a board remembers, over all its lines."""


def read_lines(connection: socket.socket) -> Iterator[dict[str, Any]]:
    """JSON objects, one a line, until the other end is gone."""
    try:
        with connection.makefile("rb") as lines:
            for line in lines:
                yield json.loads(line)
    except OSError:
        return  # a reset is one more way to be gone


def write_line(connection: socket.socket, message: dict[str, Any]) -> None:
    """One JSON object and a newline. Raises `OSError` when the other end is gone."""
    connection.sendall(json.dumps(message).encode() + b"\n")


class VirtualPin(PiPin):  # type: ignore[misc]
    """One line as seen by gpiozero. Like lgpio's, it starts as a floating input. No PWM."""

    def __init__(self, factory: "VirtualFactory", info: Any) -> None:
        super().__init__(factory, info)
        self._function = "input"
        self._pull = info.pull or "floating"
        self._high = False
        self._bounce: float | None = None
        self._edges = "both"
        self._answered = threading.Event()
        factory.lines[self._number] = self
        self._state_input()

    def close(self) -> None:
        """Back to a floating input, unless the board has taken the line back already."""
        self.when_changed = None
        if not self._factory.gone:
            self._set_function("input")

    def output_with_state(self, state: bool) -> None:
        """Become an output at this level, with no other level in between."""
        self._function = "output"
        self._set_state(state)

    def heard(self, high: bool, is_answer: bool) -> None:
        """The board says what the level is (reader thread)."""
        changed = self._function == "input" and high != self._high
        if changed:
            self._high = high
        if is_answer:
            self._answered.set()
        wanted = self._edges in ("both", "rising" if high else "falling")
        if changed and wanted and self._when_changed is not None:
            self._call_when_changed(monotonic(), high)

    def board_gone(self) -> None:
        """Nobody will answer any more (reader thread)."""
        self._answered.set()

    def _state_input(self) -> None:
        self._answered.clear()
        self._factory.state({"pin": self._number, "function": "input", "pull": self._pull})
        if not self._answered.wait(ANSWER_S) or self._factory.gone:
            raise ConnectionError(f"the virtual board says nothing about {self!r}")

    def _get_function(self) -> str:
        return self._function

    def _set_function(self, value: str) -> None:
        if value not in ("input", "output"):
            raise PinInvalidFunction(f"invalid function {value!r} for pin {self!r}")
        if value == "output":
            self.output_with_state(False)
            return
        self._function = "input"
        self._pull = self.info.pull or "floating"
        self._state_input()

    def _get_state(self) -> bool:
        return self._high

    def _set_state(self, value: bool) -> None:
        if self._function != "output":
            raise PinSetInput(f"cannot set state of pin {self!r}")
        self._factory.state({"pin": self._number, "function": "output", "high": bool(value)})
        self._high = bool(value)

    def _get_pull(self) -> str:
        return str(self._pull)

    def _set_pull(self, value: str) -> None:
        if self._function != "input" or self.info.pull not in (value, ""):
            raise PinFixedPull(f"cannot set the pull of pin {self!r}")
        if value not in ("up", "down", "floating"):
            raise PinInvalidPull(f"invalid pull {value!r} for pin {self!r}")
        self._pull = value
        self._state_input()

    def _get_bounce(self) -> float | None:
        return self._bounce

    def _set_bounce(self, value: float | None) -> None:
        self._bounce = value  # virtual switches bounce only when they are told to

    def _get_edges(self) -> str:
        return self._edges

    def _set_edges(self, value: str) -> None:
        self._edges = value

    def _enable_event_detect(self) -> None:
        """Levels arrive anyway; `heard` looks at `when_changed`."""

    def _disable_event_detect(self) -> None:
        """See `_enable_event_detect`."""


class VirtualFactory(PiFactory):  # type: ignore[misc]
    """The door's end. `path`: the board's socket; default the environment variable `ZS_VIRTUAL_PINS`.

    Raises `OSError` when nobody listens there, `KeyError` when the variable is not set. Once the board is `gone`,
    setting a line raises `OSError` and inputs keep their last level.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self.pin_class = VirtualPin
        self.lines: dict[int, VirtualPin] = {}
        self.gone = False
        self._sending = threading.Lock()
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connection.connect(os.fspath(path) if path else os.environ[SOCKET_VARIABLE])
        except BaseException:
            self._connection.close()
            raise
        self._reader = threading.Thread(target=self._listen, name="virtual-pins", daemon=True)
        self._reader.start()

    def close(self) -> None:
        """End the connection; the board takes the lines back."""
        self.gone = True
        super().close()
        with suppress(OSError):  # the board may have gone first
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._connection.close()

    def state(self, message: dict[str, Any]) -> None:
        """Tell the board how a line is set now."""
        with self._sending:
            write_line(self._connection, message)

    def ticks(self) -> float:
        """Seconds, monotonic."""
        return monotonic()

    def ticks_diff(self, later: float, earlier: float) -> float:
        """Seconds between two `ticks`."""
        return later - earlier

    def _listen(self) -> None:
        for message in read_lines(self._connection):
            self.lines[message["pin"]].heard(message["high"], message.get("answer", False))
        self.gone = True
        for pin in self.lines.values():
            pin.board_gone()

    def _get_revision(self) -> int:
        return ZERO_2W


@dataclass
class Line:
    """One line of the board: what the door made of it, and what is wired to it outside."""

    door: socket.socket | None = None
    function: str = "input"
    pull: str = "floating"
    driven_high: bool = False
    switch_closed: bool = False


@dataclass(frozen=True)
class Change:
    """A level change: `at_s` monotonic seconds."""

    pin: int
    high: bool
    at_s: float


class VirtualBoard:
    """The outside end: a socket that doors connect to, switches to ground on their inputs, and keys between two lines.

    `path`: where the socket is made. `on_change` is called with every level change, in order, from the board's
    threads; it must not call back into the board.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        persist_outputs: bool = False,
        on_change: Callable[[Change], None] | None = None,
    ) -> None:
        self.persist_outputs = persist_outputs
        self._on_change = on_change
        self._guard = threading.Lock()
        self._lines: dict[int, Line] = {}
        self._joins: set[frozenset[int]] = set()
        self._doors: set[socket.socket] = set()
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._path = Path(path)
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(os.fspath(path))
        self._listener.listen()
        threading.Thread(target=self._accept, name="board-accept", daemon=True).start()

    @property
    def connected(self) -> bool:
        """True while a door has its pins open."""
        with self._guard:
            return bool(self._doors)

    def high(self, pin: int) -> bool:
        """The level of a line now."""
        with self._guard:
            return self._level(pin)

    def history(self, pin: int) -> list[Change]:
        """Level changes of a line, oldest first; every line starts low."""
        with self._guard:
            return [change for change in self._history if change.pin == pin]

    def switch(self, pin: int, closed: bool) -> None:
        """Close (line to ground) or open the switch that is wired to a line."""
        with self._guard:
            self._alter(pin, switch_closed=closed)

    def join(self, one: int, other: int, closed: bool) -> None:
        """Press or let go of a key that connects two lines, as in a keypad's matrix."""
        with self._guard:
            before = self._levels(self._connected(one) | self._connected(other))
            (self._joins.add if closed else self._joins.discard)(frozenset({one, other}))
            self._announce(before)

    def close(self) -> None:
        """Stop listening and drop every door."""
        with self._guard:
            open_sockets = [self._listener, *self._doors]
        for each in open_sockets:
            with suppress(OSError):  # the door may have gone first
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _line(self, pin: int) -> Line:
        return self._lines.setdefault(pin, Line())

    def _accept(self) -> None:
        while True:
            try:
                door, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._guard:
                self._doors.add(door)
            threading.Thread(target=self._serve, args=(door,), name="board-door", daemon=True).start()

    def _serve(self, door: socket.socket) -> None:
        with door:
            for message in read_lines(door):
                self._hear(door, message)
            with self._guard:
                self._doors.discard(door)
                self._take_back(door)

    def _hear(self, door: socket.socket, message: dict[str, Any]) -> None:
        pin = message["pin"]
        with self._guard:
            line = self._line(pin)
            line.door = None  # the door knows what it does itself; it is told levels, not changes it caused
            if message["function"] == "output":
                self._alter(pin, function="output", driven_high=message["high"])
            else:
                self._alter(pin, function="input", pull=message["pull"])
                self._tell(door, {"pin": pin, "high": self._level(pin), "answer": True})
            # The newest statement owns a line: a restarted door need not wait for its predecessor's funeral.
            line.door = door

    def _take_back(self, door: socket.socket) -> None:
        for pin, line in list(self._lines.items()):
            if line.door is door:
                line.door = None
                if not (self.persist_outputs and line.function == "output"):
                    self._alter(pin, function="input", pull="floating")

    def _alter(self, pin: int, **changes: Any) -> None:
        line = self._line(pin)
        before = self._levels(self._connected(pin))
        for name, value in changes.items():
            setattr(line, name, value)
        self._announce(before)

    def _connected(self, pin: int) -> set[int]:
        """The line and all that pressed keys connect to it."""
        found: set[int] = set()
        fresh = {pin}
        while fresh:
            found |= fresh
            fresh = {end for join in self._joins if join & fresh for end in join} - found
        return found

    def _level(self, pin: int) -> bool:
        """Driven by an output, its own before a connected one's, of several the low one; else ground through a closed
        switch; else a pull (floating is low)."""
        line = self._line(pin)
        if line.function == "output":
            return line.driven_high
        wired = [self._line(each) for each in self._connected(pin)]
        driven = [each.driven_high for each in wired if each.function == "output"]
        if driven:
            return all(driven)
        return any(each.pull == "up" for each in wired) and not any(each.switch_closed for each in wired)

    def _levels(self, pins: Iterable[int]) -> dict[int, bool]:
        return {pin: self._level(pin) for pin in sorted(pins)}

    def _announce(self, before: dict[int, bool]) -> None:
        """Note and tell which levels are not what they were."""
        for pin, was_high in before.items():
            high = self._level(pin)
            if high == was_high:
                continue
            change = Change(pin, high, monotonic())
            self._history.append(change)
            door = self._line(pin).door
            if door is not None:
                self._tell(door, {"pin": pin, "high": high})
            if self._on_change is not None:
                self._on_change(change)

    def _tell(self, door: socket.socket, message: dict[str, Any]) -> None:
        with suppress(OSError):  # a door that died has its own end in `_serve`
            write_line(door, message)
