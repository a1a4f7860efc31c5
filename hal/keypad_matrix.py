"""A bare keypad: a matrix of switches between row lines and column lines, 3x4, 4x4 or any other up to 8x8.

At rest every row is low and every column pulled up, and an edge on a column wakes the scan; so a keypad nobody touches
costs nothing. While scanning, one row is low and the others are inputs: two keys of one column held together connect
two rows, and a row driven high would be shorted.

Without diodes, three keys on the corners of a rectangle look like four. While that is so nothing is taken; a key that
is seen once the picture is plain again counts then. The lines tell nothing about a keypad that is unplugged.

`Decoder` is pure: sets of pressed crossings in, symbols out.
"""

import threading
from collections.abc import Iterator
from itertools import combinations
from time import monotonic, sleep
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from gpiozero import GPIODevice

from hal.errors import DeviceLost, DeviceMissing, translated
from hal.mailbox import Mailbox, received
from hal.pins import Board
from hal.ports import KEYPAD_SYMBOLS, Keypad

SCAN_S: Final = 0.005
SETTLE_S: Final = 0.001
"""A row's wire takes microseconds to follow; time is cheap here, a key is held for 50 ms and more."""
UNUSED: Final = "."

Line: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=27)]
Lines: TypeAlias = Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=8)]
Crossing: TypeAlias = tuple[int, int]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`rows`, `columns`: BCM lines, as many as `layout` has rows and columns. `layout`: the keys as printed, one text a
    row; `.` for a key that means nothing (the letters of a 4x4 keypad). Default: a telephone's."""

    rows: Lines
    columns: Lines
    layout: tuple[str, ...] = ("123", "456", "789", "*0#")
    debounce_ms: Annotated[int, msgspec.Meta(ge=5, le=100)] = 20

    def __post_init__(self) -> None:
        keys = "".join(self.layout)
        if len(self.layout) != len(self.rows) or any(len(row) != len(self.columns) for row in self.layout):
            raise ValueError("layout has a text for each row, with a key for each column")
        if wrong := set(keys) - set(KEYPAD_SYMBOLS + UNUSED):
            raise ValueError(f"layout may have {KEYPAD_SYMBOLS} and {UNUSED}, not {''.join(sorted(wrong))}")
        if missing := [symbol for symbol in KEYPAD_SYMBOLS if keys.count(symbol) != 1]:
            raise ValueError(f"layout must have each key once: {' '.join(missing)}")

    def pins(self) -> dict[str, int]:
        """Setting name -> BCM line."""
        named = {"rows": self.rows, "columns": self.columns}
        return {f"{name}[{place}]": line for name, lines in named.items() for place, line in enumerate(lines)}


def open(settings: Settings, board: Board) -> Keypad:
    """Claim all lines. Raises `DeviceMissing` or `BoardFault`."""
    return MatrixKeypad(settings, board)


def ghosted(down: frozenset[Crossing]) -> bool:
    """Whether two rows are pressed in two same columns, so that one of the four may not be pressed at all."""
    rows: dict[int, set[int]] = {}
    for row, column in down:
        rows.setdefault(row, set()).add(column)
    return any(len(one & other) > 1 for one, other in combinations(rows.values(), 2))


class Decoder:
    """Pictures of the matrix to symbols. A picture counts once it stood still for `debounce_s`."""

    def __init__(self, layout: tuple[str, ...], debounce_s: float) -> None:
        self._layout = layout
        self._debounce_s = debounce_s
        self._held: frozenset[Crossing] = frozenset()
        self._seen: frozenset[Crossing] = frozenset()
        self._since_s = 0.0

    @property
    def at_rest(self) -> bool:
        """Whether no key is down or about to be."""
        return not self._held and not self._seen

    def scanned(self, down: frozenset[Crossing], at_s: float) -> list[str]:
        """Take one picture; the symbols of keys that went down, row by row."""
        if down != self._seen:
            self._seen, self._since_s = down, at_s
        if at_s - self._since_s < self._debounce_s or ghosted(down):
            return []
        fresh, self._held = sorted(down - self._held), down
        keys = (self._layout[row][column] for row, column in fresh)
        return [key for key in keys if key != UNUSED]


class MatrixKeypad:
    """See `hal.ports.Keypad`. A thread sleeps until a column falls and then scans until every key is up."""

    def __init__(self, settings: Settings, board: Board) -> None:
        factory = board.factory()
        self._decoder = Decoder(settings.layout, settings.debounce_ms / 1000)
        self._symbols: Mailbox[str | DeviceLost] = Mailbox()
        self._woken = threading.Event()
        self._closing = False
        self._lines: list[GPIODevice] = []
        try:
            with translated(DeviceMissing, "keypad matrix"):
                self._rows = list(self._claim(settings.rows, factory))
                self._columns = list(self._claim(settings.columns, factory))
                for column in self._columns:
                    column.pull = "up"
                    column.bounce, column.edges = None, "falling"
                self._rest()
                for column in self._columns:
                    column.when_changed = self._wake
        except DeviceMissing:
            self._give_back()
            raise
        self._thread = threading.Thread(target=self._watch, name=f"matrix-{settings.rows[0]}", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Readable when there are symbols."""
        return self._symbols.fileno()

    def read(self) -> list[str]:
        """Symbols of keys that went down. Raises `DeviceLost` when the lines can no longer be used."""
        return received(self._symbols)

    def close(self) -> None:
        """Stop scanning; the lines are free for another."""
        if self._closing:
            return
        self._closing = True
        self._woken.set()
        self._thread.join()
        self._symbols.close()
        self._give_back()

    def _claim(self, lines: tuple[int, ...], factory: Any) -> Iterator[Any]:
        for line in lines:
            self._lines.append(GPIODevice(line, pin_factory=factory))
            pin = self._lines[-1].pin
            pin.function = "input"
            yield pin

    def _give_back(self) -> None:
        with translated(DeviceMissing, "keypad matrix cannot be closed"):
            for line in self._lines:
                line.close()

    def _wake(self, _at_s: float, _high: bool) -> None:
        self._woken.set()

    def _watch(self) -> None:
        try:
            while not self._closing:
                # Looked at too, not only waited for: a key may go down between the last scan and the rows' rest.
                if all(column.state for column in self._columns):
                    self._woken.wait()
                self._woken.clear()
                self._scan_until_rest()
        except Exception as cause:  # whatever the backend throws; `read` tells the caller
            self._symbols.post(DeviceLost(f"keypad matrix cannot be scanned: {cause}"))

    def _scan_until_rest(self) -> None:
        for row in self._rows:
            row.function = "input"
        scanning = True
        while scanning and not self._closing:
            self._symbols.post_all(self._decoder.scanned(self._picture(), monotonic()))
            scanning = not self._decoder.at_rest
            sleep(SCAN_S)
        self._rest()

    def _picture(self) -> frozenset[Crossing]:
        down = set()
        for place, row in enumerate(self._rows):
            row.output_with_state(False)
            sleep(SETTLE_S)
            down |= {(place, column) for column, pin in enumerate(self._columns) if not pin.state}
            row.function = "input"
        return frozenset(down)

    def _rest(self) -> None:
        for row in self._rows:
            row.output_with_state(False)
