"""An MQTT broker that behaves as badly as a real one may: late, twice, in another order, gone, forgetful.

What it never does is what QoS 1 forbids while a session lives: lose a message without the connection ending. Messages
to a hub that is away are queued up to Mosquitto's default limit and then dropped, as measured.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from sync.topics import RETAINED, split

HUB_QUEUE = 1_000
LATENCY_MS = (5, 80)
HEARD = 8  # messages of each topic that somebody who listens in keeps


class Schedule(Protocol):
    """How the world is asked to do something later (milliseconds from now)."""

    def __call__(self, delay_ms: int, call: Callable[[], None]) -> None: ...


class DoorEnd(Protocol):
    """The agent's end of a session."""

    def broker_connected(self) -> None: ...

    def broker_disconnected(self) -> None: ...

    def broker_message(self, topic: str, payload: bytes) -> None: ...


@dataclass
class _Session:
    door: str
    end: DoorEnd
    open: bool = True


@dataclass
class SimulatedBroker:
    """`chance` decides latency and misbehaviour; `misbehaves` is the share of messages that come twice or late."""

    schedule: Schedule
    chance: random.Random
    to_hub: Callable[[str, bytes], None]
    misbehaves: float = 0.0
    up: bool = True
    hub_up: bool = True
    cut: set[str] = field(default_factory=set)
    seen: Callable[[str, bytes], None] = lambda _topic, _payload: None
    heard: dict[str, deque[bytes]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=HEARD)))
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _retained: dict[str, bytes] = field(default_factory=dict)
    breaks: Counter[str] = field(default_factory=Counter)  # how often a door's session or way here was broken
    _for_hub: list[tuple[str, bytes]] = field(default_factory=list)

    # ---- doors

    def connect(self, door: str, end: DoorEnd) -> None:
        """A door's agent tries to connect; it hears `broker_connected` or `broker_disconnected`."""
        session = _Session(door, end)

        def answer() -> None:
            if not self.up or door in self.cut:
                end.broker_disconnected()
                return
            self.hang_up(door)  # whoever comes anew has let go of the session before
            self._sessions[door] = session
            end.broker_connected()

        self.schedule(self._latency_ms(), answer)

    def subscribe(self, door: str) -> None:
        """The door subscribes to its own branch and gets what is retained there."""
        for topic, payload in sorted(self._retained.items()):
            parts = split(topic)
            if parts is not None and parts[0] == door and parts[1] != "state":
                self._to_door(door, topic, payload)

    def publish_from_door(self, door: str, topic: str, payload: bytes, retain: bool) -> None:
        """A door publishes at QoS 1: it arrives once or more often, or the session ends."""
        session = self._sessions.get(door)
        if session is None:
            return
        self.seen(topic, payload)
        for delay_ms in self._deliveries():
            self.schedule(delay_ms, lambda: self._arrive(session, topic, payload, retain))

    def _arrive(self, session: _Session, topic: str, payload: bytes, retain: bool) -> None:
        if not session.open:
            return
        if retain:
            self._retained[topic] = payload
        if self.hub_up:
            self.to_hub(topic, payload)
        elif len(self._for_hub) < HUB_QUEUE:
            self._for_hub.append((topic, payload))

    # ---- hub

    def publish_from_hub(self, topic: str, payload: bytes, retain: bool) -> None:
        """The hub publishes; a broker that is down loses it (the hub repeats itself)."""
        if not self.up:
            return
        self.seen(topic, payload)
        self.heard[topic].append(payload)
        self.deliver(topic, payload, retain)

    def deliver(self, topic: str, payload: bytes, retain: bool) -> None:
        """Pass something on to a door, whoever it is from."""
        parts = split(topic)
        if retain and parts is not None and parts[1] in RETAINED:
            self._retained[topic] = payload
        if parts is not None:
            self._to_door(parts[0], topic, payload)

    def hub_returns(self) -> None:
        """The hub's session is back: it gets what was queued."""
        self.hub_up = True
        waiting, self._for_hub = self._for_hub, []
        for topic, payload in waiting:
            self.to_hub(topic, payload)

    def _to_door(self, door: str, topic: str, payload: bytes) -> None:
        session = self._sessions.get(door)
        if session is None:
            return
        for delay_ms in self._deliveries():
            self.schedule(delay_ms, lambda: session.end.broker_message(topic, payload) if session.open else None)

    # ---- faults

    def cut_cable(self, door: str) -> None:
        """The door's network is gone."""
        self.cut.add(door)
        self.breaks[door] += 1
        self._drop(door)

    def mend_cable(self, door: str) -> None:
        self.cut.discard(door)

    def restart(self, forget: bool) -> None:
        """All sessions end; `forget` loses what was retained and queued."""
        for door in list(self._sessions):
            self.breaks[door] += 1
            self._drop(door)
        if forget:
            self._retained.clear()
            self._for_hub.clear()

    def stop(self) -> None:
        self.up = False
        self.restart(forget=False)

    def start(self) -> None:
        self.up = True

    def hang_up(self, door: str) -> None:
        """The door's own end vanished."""
        session = self._sessions.pop(door, None)
        if session is not None:
            session.open = False

    def _drop(self, door: str) -> None:
        session = self._sessions.pop(door, None)
        if session is not None:
            session.open = False
            self.schedule(self._latency_ms(), session.end.broker_disconnected)

    def _deliveries(self) -> list[int]:
        """The delays after which copies of one message arrive."""
        if self.chance.random() >= self.misbehaves:
            return [self._latency_ms()]
        if self.chance.random() < 0.5:
            return [self._latency_ms(), self._latency_ms() * 20]
        return [self._latency_ms() * 50]

    def _latency_ms(self) -> int:
        low, high = LATENCY_MS
        return low + int(self.chance.random() * (high - low))
