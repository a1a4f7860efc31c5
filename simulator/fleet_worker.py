"""One process of a fleet: some thousands of doors on one epoll, moved by orders from the fleet.

Every door is its own MQTT session (paho under this loop, not its own) and its own TLS connection with its own
certificate. The handshake is the one thing that blocks in an agent; here a few threads do it, so that many are under
way at once, as in a real herd. A door belongs to its thread until the handshake is over and to the loop ever after.

Orders and answers are the dataclasses below, over a pipe. Times are monotonic seconds, the same for all processes of a
machine.
"""

from __future__ import annotations

import heapq
import logging
import os
import queue
import random
import select
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection
from typing import Final

from controller.formats.errors import Refused
from controller.formats.messages import Deliver, Link, SendBatch, SendState
from controller.formats.trust import parse as parse_trust
from simulator.fleet_door import DoorKit, LinkedController
from sync.agent import link as agent
from sync.agent.broker import Broker, tls_context

HANDSHAKES: Final = 24
"""Threads of a process that shake hands."""
TURN_S: Final = 0.2
TEND_S: Final = 5.0
"""paho's keepalive is looked after this often, in slices; it is 30 s."""
REPORT_S: Final = 0.2


@dataclass(frozen=True)
class Site:
    """Where the doors of a process are: the broker's port, its CA (PEM), the trust document's payload."""

    port: int
    authorities: str
    trust: bytes


@dataclass(frozen=True)
class Start:
    """Go to work: every link wakes within its first second."""


@dataclass(frozen=True)
class Write:
    """Each door puts so many batches of so many records on the way, to be sent at `Flood`."""

    batches: int
    records: int


@dataclass(frozen=True)
class Flood:
    """Send what is on the way."""


@dataclass(frozen=True)
class Watch:
    """Forget the marks so far. From now on a door is done when it is connected anew (`again`), holds a list newer than
    it did, or has receipts for everything; `mute` doors say nothing to the hub. Reports carry the number."""

    number: int
    since_s: float
    mute: bool = False


@dataclass(frozen=True)
class Marks:
    """Ask for the seconds of each door since `Watch`, for each mark."""


@dataclass(frozen=True)
class Stop:
    """Hang up and end."""


Order = Start | Write | Flood | Watch | Marks | Stop


@dataclass(frozen=True)
class Progress:
    """How many doors are connected now, and how many have each mark since the `Watch` of that number; how much was
    dropped or refused; whether what was ordered to be written is."""

    number: int
    connected: int
    marked: dict[str, int]
    refused: int
    written: bool


@dataclass
class _Door:
    """A door and what the loop knows of it. `broker` is None until its first handshake."""

    kit: DoorKit
    controller: LinkedController
    link: agent.Link
    broker: Broker | None = None
    shaking: Future[None] | None = None
    given_up: bool = False
    watched: tuple[int, int] | None = None  # descriptor and event mask in the poll
    due_s: float | None = None
    marks: dict[str, float] = field(default_factory=dict)
    list_before: int = 0


class Worker:
    """The doors of one process."""

    def __init__(self, site: Site, kits: list[DoorKit], orders: Connection) -> None:
        self._site = site
        self._orders = orders
        self._chance = random.Random()  # noqa: S311 - spreads load, keeps no secret
        trust = parse_trust(site.trust)
        self._doors = [self._door(kit, LinkedController(kit, trust)) for kit in kits]
        self._by_descriptor: dict[int, _Door] = {}
        self._poll = select.epoll()
        self._timers: list[tuple[float, int, _Door]] = []
        self._order = count()
        self._pool = ThreadPoolExecutor(HANDSHAKES)
        self._shaken: queue.SimpleQueue[_Door] = queue.SimpleQueue()
        self._bell, self._ring = os.pipe2(os.O_NONBLOCK)
        self._since_s = 0.0
        self._number = 0
        self._refused = 0
        self._written = False
        self._tended = 0
        self._running = True

    def run(self) -> None:
        """Until `Stop`, or until whoever gave the orders is gone."""
        self._poll.register(self._orders.fileno(), select.EPOLLIN)
        self._poll.register(self._bell, select.EPOLLIN)
        reported_s = 0.0
        try:
            while self._running:
                self._turn()
                if time.monotonic() - reported_s >= REPORT_S:
                    reported_s = time.monotonic()
                    self._orders.send(self._progress())
        except (EOFError, ConnectionError):
            pass  # whoever gave the orders is gone
        finally:
            self._hang_up()

    # --- the loop

    def _turn(self) -> None:
        now_s = time.monotonic()
        wait_s = min(TURN_S, max(0.0, self._timers[0][0] - now_s)) if self._timers else TURN_S
        for descriptor, mask in self._poll.poll(wait_s):
            if descriptor == self._orders.fileno():
                self._obey(self._orders.recv())
            elif descriptor == self._bell:
                os.read(self._bell, 4096)
            elif (door := self._by_descriptor.get(descriptor)) and door.broker is not None:
                if mask & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                    door.broker.read()
                if mask & select.EPOLLOUT:
                    door.broker.write()
                self._settle(door)
        while not self._shaken.empty():
            self._shake_ended(self._shaken.get())
        now_s = time.monotonic()
        while self._timers and self._timers[0][0] <= now_s:
            due_s, _, door = heapq.heappop(self._timers)
            if door.due_s == due_s:
                door.due_s = None
                self._happen(door, agent.Woke())
        self._tend()

    def _tend(self) -> None:
        """Keepalive, a slice of the doors each turn."""
        for _ in range(max(1, int(len(self._doors) * TURN_S / TEND_S))):
            door = self._doors[self._tended % len(self._doors)]
            self._tended += 1
            if door.broker is not None and door.shaking is None and door.broker.socket() is not None:
                door.broker.tend()
                self._settle(door)

    def _settle(self, door: _Door) -> None:
        """Tell the link what became of its session, and watch the socket there is now."""
        broker = door.broker
        while broker is not None and door.shaking is None and (events := broker.events()):
            for event in events:
                self._happen(door, event)
        self._watch(door)

    def _watch(self, door: _Door) -> None:
        wanted: tuple[int, int] | None = None
        if door.broker is not None and door.shaking is None and (connection := door.broker.socket()) is not None:
            mask = select.EPOLLIN | (select.EPOLLOUT if door.broker.wants_to_write() else 0)
            wanted = connection.fileno(), mask
        if wanted == door.watched:
            return
        if door.watched is not None and (wanted is None or wanted[0] != door.watched[0]):
            # A closed descriptor has left the poll by itself, and its number may be another door's already.
            if self._by_descriptor.get(door.watched[0]) is door:
                del self._by_descriptor[door.watched[0]]
            door.watched = None
        if wanted is not None:
            (self._poll.register if door.watched is None else self._poll.modify)(*wanted)
            self._by_descriptor[wanted[0]] = door
        door.watched = wanted

    # --- one door

    def _door(self, kit: DoorKit, controller: LinkedController) -> _Door:
        return _Door(kit, controller, agent.Link(kit.id, time.monotonic(), self._chance.random()))

    def _happen(self, door: _Door, event: agent.Event) -> None:
        now_s = time.monotonic()
        if isinstance(event, agent.Connected):
            door.marks.setdefault("connected", now_s - self._since_s)
        for effect in door.link.handle(event, now_s, self._chance.random()):
            self._do(door, effect)
        due_s = door.link.deadline_s
        if due_s is not None and due_s != door.due_s:
            heapq.heappush(self._timers, (due_s, next(self._order), door))
        door.due_s = due_s

    def _do(self, door: _Door, effect: agent.Effect) -> None:
        match effect:
            case agent.Connect():
                # One that was given up and is still under way serves this attempt as well.
                door.given_up = False
                if door.shaking is None:
                    door.shaking = self._pool.submit(self._shake_hands, door)
            case agent.Abort():
                self._abort(door)
            case agent.Subscribe(topics) if door.broker is not None:
                door.broker.subscribe(topics)
            case agent.Publish() if door.broker is not None:
                door.broker.publish(effect)
            case agent.ToController(message):
                self._say(door, message)
            case _:
                self._refused += 1

    def _say(self, door: _Door, message: Deliver | Link) -> None:
        controller = door.controller
        try:
            answers = controller.heard(message)
        except Refused:
            self._refused += 1
            return
        elapsed_s = time.monotonic() - self._since_s
        if controller.list_version > door.list_before:
            door.marks.setdefault("listed", elapsed_s)
        if controller.written and controller.receipted == controller.written:
            door.marks.setdefault("receipted", elapsed_s)
        for answer in answers:
            self._from_controller(door, answer)

    def _from_controller(self, door: _Door, message: SendBatch | SendState) -> None:
        self._happen(door, agent.FromController(message))

    # --- the handshake, beside the loop

    def _shake_hands(self, door: _Door) -> None:
        if door.broker is None:
            kit = door.kit
            tls = tls_context(kit.certificate, kit.private_key, self._site.authorities)
            door.broker = Broker(kit.id, "127.0.0.1", self._site.port, tls)
        if not door.given_up:
            door.broker.connect()
        self._shaken.put(door)
        os.write(self._ring, b"x")

    def _shake_ended(self, door: _Door) -> None:
        door.shaking = None
        if door.given_up and door.broker is not None:
            door.broker.abort()
            door.broker.events()
        self._settle(door)
        if door.link.state is agent.LinkState.WAITING and door.due_s is None and door.link.deadline_s is not None:
            self._happen(door, agent.Woke())

    def _abort(self, door: _Door) -> None:
        if door.shaking is not None:
            door.given_up = True
            if door.shaking.cancel():
                door.shaking = None
        elif door.broker is not None:
            door.broker.abort()
            self._watch(door)

    # --- orders

    def _obey(self, order: Order) -> None:
        match order:
            case Start():
                for door in self._doors:
                    door.link = agent.Link(door.kit.id, time.monotonic(), self._chance.random())
                    self._happen(door, agent.ControllerHere())
            case Write(batches, records):
                for door in self._doors:
                    door.controller.write(batches, records)
                self._written = True
            case Flood():
                self._written = False
                for door in self._doors:
                    for batch in door.controller.send():
                        self._from_controller(door, batch)
            case Watch(number, since_s, mute):
                self._number = number
                self._since_s = since_s
                for door in self._doors:
                    door.marks.clear()
                    door.list_before = door.controller.list_version
                    door.controller.mute = mute
            case Marks():
                names = {name for door in self._doors for name in door.marks}
                found = {name: [each.marks[name] for each in self._doors if name in each.marks] for name in names}
                self._orders.send(found)
            case Stop():
                self._running = False

    def _hang_up(self) -> None:
        for door in self._doors:
            if door.broker is not None and door.shaking is None:
                door.broker.abort()
        self._pool.shutdown(cancel_futures=True)

    def _progress(self) -> Progress:
        marked: dict[str, int] = {}
        for door in self._doors:
            for name in door.marks:
                marked[name] = marked.get(name, 0) + 1
        connected = sum(door.link.state is agent.LinkState.CONNECTED for door in self._doors)
        return Progress(self._number, connected, marked, self._refused, self._written)


def work(site: Site, kits: list[DoorKit], orders: Connection) -> None:
    """The body of a process."""
    logging.disable()  # a lost broker would be told thousands of times
    Worker(site, kits, orders).run()
