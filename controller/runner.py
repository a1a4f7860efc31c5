"""The controller's one loop: hardware and sockets in, the performer does the rest.

Nothing in here waits but `select`. The watchdog is fed at the end of a turn and nowhere else, so a loop that hangs is a
loop that is restarted.
"""

from __future__ import annotations

import selectors
import signal
import socket
from functools import partial
from typing import Any

from controller.beside import Beside
from controller.config import Config
from controller.conversations import Conversations
from controller.data_folder import DataFolder
from controller.door import Setup
from controller.door_events import ExitPressed, FaultChanged, KeyPressed, LeafMoved
from controller.hardware import Hardware, Input, try_open
from controller.notify import notify
from controller.performer import Performer
from controller.unit import Ports, Unit
from hal.errors import DeviceLost

TURN_MS = 1_000  # the longest the loop sleeps; leases and the watchdog are renewed at this pace
REOPEN_EVERY_MS = 2_000


class Runner:
    """Runs one unit until it is told to stop. Raises what `Unit` raises, and HardwareFault when lock or clock cannot be
    opened."""

    def __init__(self, config: Config) -> None:
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._reopen_ms = 0
        self._hardware = Hardware(config)
        for source in self._hardware.inputs():
            self._open(source)
        hardware = self._hardware
        setup = Setup(
            door=config.door.id,
            readers=tuple(hardware.keypads),
            contact=hardware.contact is not None,
            handle_sensed=config.door.handle_sensed,
        )
        ports = Ports(hardware.lock, hardware.clock, hardware.light, hardware.leaf_open(), config.has("camera"))
        self._unit = Unit(setup, ports, DataFolder(config.data))
        self._beside = Beside()
        self._selector.register(self._beside, selectors.EVENT_READ, self._beside.finish)
        self._conversations = Conversations(config.sockets, self._selector)
        self._performer = Performer(self._unit, self._beside, self._conversations.tell, self._conversations.anybody)
        self._conversations.listener = self._performer

    def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        wake, waker = socket.socketpair()
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(wake, selectors.EVENT_READ, lambda: wake.recv(64))
        try:
            self.start()
            notify("READY=1")
            while not self._stopping:
                self.turn()
                notify("WATCHDOG=1")
        finally:
            notify("STOPPING=1")
            self.close()

    def start(self) -> None:
        """Come up: boot record first, then the inputs that are not there."""
        self._performer.start()
        for source in self._hardware.inputs():
            if source.port is None:
                self._performer.feed(FaultChanged(source.fault, True))

    def turn(self) -> None:
        """Everything that is ready, then what time made due."""
        for ready, _ in self._selector.select(self._timeout_s()):
            ready.data()
        self._conversations.hear_backlog()
        now_ms = self._hardware.clock.raw_ms()
        if now_ms >= self._reopen_ms:
            self._reopen_ms = now_ms + REOPEN_EVERY_MS
            self._reopen()
        self._performer.turn()

    def close(self) -> None:
        """Secure the lock first, then give everything back."""
        self._hardware.close()
        self._conversations.close()
        self._beside.close()
        self._selector.close()
        self._unit.log.close()

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _timeout_s(self) -> float:
        if self._conversations.backlog:
            return 0.0
        deadline_ms = self._performer.deadline_ms()
        if deadline_ms is None:
            return TURN_MS / 1000
        return max(0, min(TURN_MS, deadline_ms - self._hardware.clock.raw_ms())) / 1000

    # ---- inputs

    def _open(self, source: Input) -> bool:
        if not try_open(source) or source.port is None:
            return False
        self._selector.register(source.port, selectors.EVENT_READ, partial(self._read, source))
        return True

    def _reopen(self) -> None:
        for source in self._hardware.inputs():
            if source.port is None and self._open(source):
                self._performer.feed(FaultChanged(source.fault, False))

    def _read(self, source: Input) -> None:
        if source.port is None:
            return
        try:
            news: list[Any] = list(source.port.read())
        except DeviceLost:
            self._selector.unregister(source.port)
            source.port.close()
            source.port = None
            self._performer.feed(FaultChanged(source.fault, True))
            return
        for item in news:
            if isinstance(item, str):
                self._performer.feed(KeyPressed(source.name, item))
            elif source is self._hardware.contact:
                self._performer.feed(LeafMoved(item))
            elif item:
                self._performer.feed(ExitPressed())
