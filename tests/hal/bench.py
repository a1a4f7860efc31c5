"""What the contract suites of the GPIO ports run on: a bench for every pin factory that can load here.

A bench is a board as the driver sees it plus the outside of its lines as a person with a meter does. gpiozero's own
mock and the simulator's virtual board (over its socket) always load; `lgpio` opens on a Raspberry Pi only, and what
hangs on that header may be a real lock: it is skipped with the reason.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from hal.errors import HardwareFault
from hal.osdp_front import Front, Order, Tone
from hal.pins import Board
from simulator.pins import VirtualBoard, VirtualFactory


class RecordedFront(Front):
    """An OSDP keypad's front that remembers every level its light or buzzer was ordered to."""

    def __init__(self) -> None:
        super().__init__()
        self.ordered: list[bool] = []

    def put(self, order: Order) -> None:
        super().put(order)
        self.ordered.append(order.on if isinstance(order, Tone) else order.colour != "dark")


def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Wait for a condition; generous, because a passing test never waits that long."""
    end_s = monotonic() + within_s
    while not condition():
        if monotonic() > end_s:
            return False
        sleep(0.002)
    return True


class MockBench:
    """gpiozero's mock factory."""

    def __init__(self) -> None:
        self.board = Board("mock")

    def _pin(self, line: int):
        return self.board.factory().pin(line)

    def high(self, line: int) -> bool:
        return bool(self._pin(line).state)

    def levels(self, line: int) -> list[bool]:
        """Every level the line has had, the first one included."""
        return [bool(each.state) for each in self._pin(line).states]

    def drive(self, line: int, high: bool) -> None:
        pin = self._pin(line)
        (pin.drive_high if high else pin.drive_low)()


class VirtualBench:
    """The simulator's factory and board, over a real socket."""

    def __init__(self, path: Path) -> None:
        self.outside = VirtualBoard(path)
        self.board = Board.around(VirtualFactory(path))

    def high(self, line: int) -> bool:
        return self.outside.high(line)

    def levels(self, line: int) -> list[bool]:
        return [False, *(change.high for change in self.outside.history(line))]

    def drive(self, line: int, high: bool) -> None:
        """Only for lines pulled up: a switch to ground."""
        self.outside.switch(line, closed=not high)


@contextmanager
def bench_of(factory: str, folder: Path) -> Iterator[MockBench | VirtualBench]:
    if factory == "mock":
        bench: MockBench | VirtualBench = MockBench()
        yield bench
        bench.board.close()
    elif factory == "virtual":
        bench = VirtualBench(folder / "pins.sock")
        yield bench
        bench.board.close()
        bench.outside.close()
    else:
        board = Board(factory)
        try:
            board.factory()
        except HardwareFault as fault:
            pytest.skip(str(fault))
        board.close()
        pytest.skip(f"pin factory {factory!r} opens a real header: moving it needs a bench with wires, not a door")
