"""What the service manager starts of the controller: `zaalsleutel door run` and `door secure`.

A module of its own, so that these two load no command-line library: the process that stays at the door must not carry
one, and the relay of one that died must not wait for one. `controller.cli` offers the same two to people.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from controller.config import load
from controller.formats.errors import Refused
from hal.errors import HardwareFault


def run(config: Path) -> int:
    """Run the controller until SIGTERM. Exit status 1: it could not start, and said why."""
    from controller.runner import Runner

    os.umask(0o077)
    try:
        runner = Runner(load(config))
    except (Refused, HardwareFault, OSError, ValueError) as error:
        return _failed(error)
    runner.run()
    return 0


def secure(config: Path) -> int:
    """Drive the lock relay off. Exit status 1: it could not be reached, and said why."""
    from hal.pins import Board

    try:
        unit = load(config)
        lock = unit.required("lock")
        board = Board(unit.gpio.factory)
        # Opening a lock secures it; nothing else is needed.
        lock.driver.open(lock.settings, board).close()
        board.close()
    except (Refused, HardwareFault) as error:
        return _failed(error)
    return 0


def _failed(error: Exception) -> int:
    print(error, file=sys.stderr)
    return 1
