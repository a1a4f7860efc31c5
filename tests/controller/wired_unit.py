"""A whole controller on virtual hardware, turned by the test: real drivers, real loop, real log; no process."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from controller.config import load
from controller.runner import Runner
from simulator.keypad_line import KeypadLine
from simulator.pins import SOCKET_VARIABLE, VirtualBoard
from tests.hal.bench import eventually

LINES = {"lock": 17, "contact": 23, "exit_button": 24, "light": 22, "sound": 18}
SWITCHES = {"tamper": 25, "housing_button": 16, "fire": 20, "legacy": 21}


def config_text(folder: Path, more: str = "") -> str:
    """Every switch there is, a keypad and a scanner."""
    switches = "".join(f'[{name}]\ndriver = "gpio"\npin = {line}\n' for name, line in SWITCHES.items())
    return f"""
[door]
id = "hall-1"
data = "{folder / "data"}"
sockets = "{folder / "run"}"
[gpio]
factory = "virtual"
[lock]
driver = "gpio"
pin = 17
[contact]
driver = "gpio"
pin = 23
active = "high"
[exit_button]
driver = "gpio"
pin = 24
[light]
driver = "gpio"
pin = 22
[sound]
driver = "gpio"
pin = 18
[clock]
driver = "host"
{switches}
[keypads.outside]
driver = "serial"
device = "{folder / "keypad"}"
[scanners.outside]
driver = "serial"
device = "{folder / "scanner"}"
{more}
"""


class WiredUnit:
    """The controller and the outside ends of its wires."""

    def __init__(self, folder: Path, more: str) -> None:
        self.board = VirtualBoard(folder / "pins.sock")
        self.board.switch(LINES["contact"], closed=True)
        self.keypad = KeypadLine(folder / "keypad")
        self.scanner = KeypadLine(folder / "scanner")
        self._data = folder / "data"
        self._data.mkdir()
        (folder / "run").mkdir()
        (folder / "door.toml").write_text(config_text(folder, more))
        self._config = folder / "door.toml"
        self.runner: Runner

    def start(self) -> None:
        self.runner = Runner(load(self._config))
        self.runner.start()

    def until(self, happened: Callable[[], bool], within_s: float = 8.0) -> bool:
        """Turn the loop until something has happened."""
        end_s = monotonic() + within_s
        while not happened():
            if monotonic() > end_s:
                return False
            self.runner.turn()
        return True

    def press(self, name: str, pressed: bool) -> None:
        self.board.switch(SWITCHES[name], closed=pressed)

    def until_low(self, line: int) -> bool:
        """Wait, without turning the loop, for a line to fall."""
        return eventually(lambda: not self.board.high(line))

    @property
    def faults(self) -> set[str]:
        return self.runner._performer.door.faults

    def events(self) -> list[dict[str, Any]]:
        """The log, oldest first."""
        with closing(sqlite3.connect(self._data / "log.db")) as log:
            return [json.loads(event) for (event,) in log.execute("SELECT event FROM record ORDER BY seq")]

    def close(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()
        self.board.close()
        self.keypad.close()
        self.scanner.close()


@contextmanager
def wired_unit(folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> Iterator[WiredUnit]:
    monkeypatch.setenv(SOCKET_VARIABLE, str(folder / "pins.sock"))
    unit = WiredUnit(folder, more)
    try:
        yield unit
    finally:
        unit.close()
