"""The controller's one loop: hardware and sockets in, the performer does the rest.

Nothing in here waits but `select`. The watchdog is fed at the end of a turn and nowhere else, so a loop that hangs is a
loop that is restarted.
"""

from __future__ import annotations

import selectors
import signal
import socket
from contextlib import suppress
from functools import partial
from typing import Any

from controller.beside import Beside
from controller.config import CAMERAS, Config
from controller.conversations import Conversations
from controller.data_folder import DataFolder
from controller.door_events import Event, FaultChanged, KeyPressed
from controller.hardware import Hardware, Input
from controller.notify import notify
from controller.performer import Performer
from controller.setup import Setup
from controller.unit import Ports, Unit
from hal.errors import DeviceLost, HardwareFault
from hal.ports import Contact, Keypad, Scanner

TURN_MS = 1_000  # the longest the loop sleeps; leases and the watchdog are renewed at this pace
REOPEN_EVERY_MS = 2_000


class Runner:
    """Runs one unit until it is told to stop. Raises what `Unit` raises, and HardwareFault when lock or clock cannot be
    opened."""

    def __init__(self, config: Config) -> None:
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        self._reopen_ms = 0
        self._opening: set[Input] = set()
        self._hardware = hardware = Hardware(config)
        for source in hardware.inputs():
            self._opened(source, source.try_open())
        setup = Setup(
            door=config.door.id,
            readers=tuple(hardware.keypads),
            contact="contact" in hardware.switches,
            handle_sensed=config.door.handle_sensed,
            inside=hardware.inside,
            remote=frozenset(config.door.remote),
            exit_button="exit_button" in hardware.switches,
            reads_qr=config.has("camera") or False in hardware.scans,
            reads_qr_inside=config.has("camera_inside") or True in hardware.scans,
        )
        signals, leaf_open = hardware.signals, hardware.active("contact")
        cameras = tuple(section for section in CAMERAS if config.has(section))
        ports = Ports(hardware.lock, hardware.clock, signals, leaf_open, cameras, signals.blink)
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
        """Come up: boot record first, then the inputs that are not there and the alarms that are on already."""
        self._performer.start()
        for source in self._hardware.inputs():
            if source.port is None:
                self._performer.feed(FaultChanged(source.fault, True))
        self._feed_states()

    def turn(self) -> None:
        """Everything that is ready, then what time made due."""
        for ready, _ in self._selector.select(self._timeout_s()):
            ready.data()
        self._conversations.hear_backlog()
        now_ms = self._hardware.clock.raw_ms()
        if now_ms >= self._reopen_ms:
            self._reopen_ms = now_ms + REOPEN_EVERY_MS
            self._reopen()
        broken = self._hardware.signals.broken
        if broken != ("light" in self._performer.door.faults):
            self._performer.feed(FaultChanged("light", broken))
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

    def _reopen(self) -> None:
        """Look for what is away, beside the loop: a driver may take seconds to find its device."""
        for source in self._hardware.inputs():
            if source.port is None and source not in self._opening:
                self._opening.add(source)
                self._beside.open(source.try_open, partial(self._reopened, source))

    def _reopened(self, source: Input, port: Keypad | Scanner | Contact | None) -> None:
        self._opening.discard(source)
        if not self._opened(source, port):
            return
        if not any(other.port is None and other.fault == source.fault for other in self._hardware.inputs()):
            self._performer.feed(FaultChanged(source.fault, False))
        self._feed_states()

    def _opened(self, source: Input, port: Keypad | Scanner | Contact | None) -> bool:
        if port is None:
            return False
        source.port = port
        self._selector.register(port, selectors.EVENT_READ, partial(self._read, source))
        return True

    def _read(self, source: Input) -> None:
        if source.port is None:
            return
        try:
            news: list[Any] = list(source.port.read())
        except DeviceLost:
            self._selector.unregister(source.port)
            with suppress(HardwareFault):  # what is gone may not even be closed
                source.port.close()
            source.port = None
            self._performer.feed(FaultChanged(source.fault, True))
            return
        for item in news:
            event = source.event(item)
            if event is not None:
                self._feed(event)

    def _feed_states(self) -> None:
        """Levels that were there before anybody looked; what the door knows already changes nothing."""
        for event in self._hardware.states():
            self._feed(event)

    def _feed(self, event: Event) -> None:
        match event:
            case KeyPressed():
                self._hardware.signals.click()
            case FaultChanged(fault="fire"):
                # Nobody has to hear us while the fire alarm sounds.
                self._hardware.signals.silence(event.on)
        self._performer.feed(event)
