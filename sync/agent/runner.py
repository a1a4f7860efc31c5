"""The agent's one loop: sockets, clock and chance around the link core.

Everything that happens (a line from the controller, a packet from the broker, a deadline) becomes an event for
`sync.agent.link.Link`; what the link answers is done here, in order.
"""

from __future__ import annotations

import logging
import random
import selectors
import socket
import time
from collections import deque
from pathlib import Path

from controller.formats.errors import Refused
from controller.formats.messages import FromAgent, Hello
from sync.agent.broker import Broker
from sync.agent.config import Config
from sync.agent.controller_line import ControllerLine, Hangup
from sync.agent.enrol import Errands
from sync.agent.enrol_identity import Identity
from sync.agent.link import (
    Abort,
    Connect,
    ControllerGone,
    ControllerHere,
    Drop,
    Effect,
    Equipped,
    Errand,
    Event,
    FromController,
    Introduced,
    Link,
    Offered,
    Publish,
    Subscribe,
    ToController,
    Woke,
)
from sync.agent.service_state import ServiceState
from sync.agent.spool import Spool
from sync.agent.updates import Machine, Updates

# paho wants its keepalive looked after about this often; also how soon a restarted controller is found again.
TURN_S = 1.0

log = logging.getLogger(__name__)


class Runner:
    """Runs one door's link until `stop` is called (from a signal handler or another thread)."""

    def __init__(self, config: Config) -> None:
        """Raises Refused `bad_config` when TLS files that the configuration names cannot be used."""
        self._config = config
        self._chance = random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._link = Link(config.door.id, time.monotonic(), self._chance.random())
        self._identity = _identity(config)
        self._errands = Errands(config.door.id, self._identity)
        self._updates = Updates(Spool(Path(config.update.spool)), Path(config.update.result), Machine.here())
        self._broker = Broker(config.door.id, config.broker.host, config.broker.port)
        self._authorities = self._first_authorities()
        self._controller: ControllerLine | None = None
        self._events: deque[Event] = deque()
        self._selector = selectors.DefaultSelector()
        self._stop_reader, self._stop_writer = socket.socketpair()
        self._stop_writer.setblocking(False)
        self._service = ServiceState()

    def stop(self) -> None:
        """End `run` soon. Safe in a signal handler."""
        self._stop_writer.send(b"x")

    def run(self) -> None:
        """The loop."""
        self._selector.register(self._stop_reader, selectors.EVENT_READ)
        self._service.ready()
        try:
            while self._turn():
                pass
        finally:
            self._service.stopping()
            self._errands.close()
            self._updates.close()
            self._broker.close()
            self._hang_up()
            self._selector.close()
            self._stop_reader.close()
            self._stop_writer.close()

    def _turn(self) -> bool:
        """One turn: wait, listen, act. False when it is time to stop."""
        self._service.alive()
        if self._controller is None:
            self._call_controller()
        ready: dict[object, int] = {key.fileobj: mask for key, mask in self._select()}
        if self._stop_reader in ready:
            return False
        self._hear_broker(ready)
        if self._controller is not None and self._controller in ready:
            self._hear_controller(self._controller)
        self._run_errands()
        self._events.append(Woke())
        while self._events:
            self._act(self._events.popleft())
            self._events.extend(self._broker.events())
        return True

    def _select(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for the sockets there are now, at most until the link's deadline and never longer than a turn."""
        broker = self._broker.socket()
        wanted = [
            (end, selectors.EVENT_READ | (selectors.EVENT_WRITE if writes else 0))
            for end, writes in (
                (broker, self._broker.wants_to_write()),
                (self._controller, self._controller is not None and self._controller.wants_to_write()),
            )
            if end is not None
        ]
        for end, mask in wanted:
            self._selector.register(end, mask)
        deadline_s = self._link.deadline_s
        wait_s = TURN_S if deadline_s is None else min(TURN_S, max(0.0, deadline_s - time.monotonic()))
        try:
            return self._selector.select(wait_s)
        finally:
            # The sockets come and go inside other calls; registering anew each turn leaves nothing to forget.
            for end, _ in wanted:
                self._selector.unregister(end)

    # --- the broker ---

    def _hear_broker(self, ready: dict[object, int]) -> None:
        mask = ready.get(self._broker.socket(), 0)
        if mask & selectors.EVENT_READ:
            self._broker.read()
        if mask & selectors.EVENT_WRITE:
            self._broker.write()
        self._broker.tend()

    # --- the controller ---

    def _call_controller(self) -> None:
        try:
            self._controller = ControllerLine(self._config.door.socket)
        except OSError:
            return
        log.info("talking to the controller")
        self._events.append(ControllerHere())

    def _hear_controller(self, controller: ControllerLine) -> None:
        try:
            controller.write()
            self._events.extend(FromController(message) for message in controller.read())
        except Hangup as hangup:
            log.warning("lost the controller: %s", hangup)
            self._hang_up()
        except Refused as refused:
            log.error("the controller said what it may not: %s", refused)
            self._hang_up()

    def _hang_up(self) -> None:
        if self._controller is not None:
            self._controller.close()
            self._controller = None
            self._events.append(ControllerGone())

    # --- the link ---

    def _act(self, event: Event) -> None:
        try:
            effects = self._link.handle(event, time.monotonic(), self._chance.random())
        except Refused as refused:
            log.error("the controller said what it may not: %s", refused)
            self._hang_up()
            return
        for effect in effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Connect():
                self._broker.connect()
            case Abort():
                self._broker.abort()
            case Subscribe(topics):
                self._broker.subscribe(topics)
            case Publish():
                self._broker.publish(effect)
            case ToController(message):
                self._tell_controller(message)
            case Introduced(hello):
                self._introduced(hello)
            case Errand(message):
                self._errands.about(message)
            case Offered(manifest):
                self._updates.offered(manifest)
            case Drop(what):
                log.warning("dropped %s", what)

    def _tell_controller(self, message: FromAgent) -> None:
        if self._controller is None:
            return
        try:
            self._controller.send(message)
        except Hangup as hangup:
            log.warning("lost the controller: %s", hangup)
            self._hang_up()

    # --- enrolment, renewal, TLS ---

    def _run_errands(self) -> None:
        if self._errands.took_certificate():
            self._equip()
        if self._controller is not None:
            for message in self._errands.news(time.time()):
                self._tell_controller(message)
            for update in self._updates.news(time.monotonic(), self._chance.random()):
                self._tell_controller(update)

    def _introduced(self, hello: Hello) -> None:
        """The controller knows whom to believe; and from an enrolment, where the broker is and who we are."""
        if hello.authorities:
            self._authorities = "\n".join(hello.authorities)
        moved = False
        if self._config.broker.host is None and hello.broker is not None:
            address = hello.broker.host, hello.broker.port
            moved, self._broker.address = self._broker.address not in {None, address}, address
        self._errands.introduced(hello)
        self._updates.introduced(hello.hub or self._config.update.hub, self._authorities)
        self._equip()
        if self._errands.took_certificate() or moved:
            self._broker.leave()

    def _equip(self) -> None:
        """Use the certificate there is from the next connection on."""
        if not self._authorities:
            return
        waited = self._broker.tls is None
        try:
            self._broker.tls = self._identity.context(self._authorities)
        except FileNotFoundError:
            log.info("no certificate yet: waiting for the enrolment of this unit")
            return
        except (OSError, ValueError) as error:
            log.error("certificate or authorities cannot be used, keeping the ones before: %s", error)
            return
        if waited:
            self._events.append(Equipped())

    def _first_authorities(self) -> str:
        path = self._config.broker.authorities
        if path is None:
            return ""
        try:
            authorities = Path(path).read_text("ascii")
            self._broker.tls = self._identity.context(authorities)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise Refused("bad_config", "[broker]", f"certificate, private_key or authorities: {error}") from None
        return authorities


def _identity(config: Config) -> Identity:
    private_key = config.broker.private_key
    return Identity(Path(config.broker.certificate), None if private_key is None else Path(private_key))
