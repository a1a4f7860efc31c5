"""One door of the simulated world: the production unit, performer and link, on virtual hardware, disk and time.

What a runner and an agent process do with descriptors and sockets, this does with calls that the world schedules.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from controller.door_events import Event, ExitPressed, KeyPressed, LeafMoved, Now
from controller.formats.code_list import PinKdf
from controller.formats.messages import CameraAlive, CameraRead, Deliver, Link, SendBatch, SendState
from controller.performer import Performer, Role
from controller.setup import Setup
from controller.unit import Ports, Unit
from hal.ports import LEASE_MAX_S
from simulator.simulated_broker import Schedule, SimulatedBroker
from simulator.simulated_clocks import SimulatedClocks
from simulator.simulated_disk import Fuse, PowerCut, SimulatedDisk
from simulator.simulated_hub import cheap_verifier
from sync.agent import link as agent

T = TypeVar("T")

DERIVATION_MS = 30
DISK_MS = 15
IDLE_TURN_MS = 7_200_000  # a real loop turns every second; with nothing to do that only costs time
RELEASED_TURN_MS = 9_000  # in time to renew a lease
WATCHFUL_TURN_MS = 60_000  # while the clock is doubtful or the disk fails
LEASE_MAX_MS = int(LEASE_MAX_S * 1000)
SEEN = CameraAlive(frames=1)


@dataclass(frozen=True)
class Pulse:
    """The relay was on from `on_ms` to `off_ms` of world time; `lease_ms` what was asked for last."""

    on_ms: int
    off_ms: int


class SimulatedLock:
    """The relay and its lease, which ends by the world's time whatever the controller does."""

    def __init__(self, true_ms: Callable[[], int], fuse: Fuse) -> None:
        self.driven: Callable[[], None] = lambda: None  # told right after the relay was energised or prolonged
        self._true_ms = true_ms
        self._fuse = fuse
        self._on_ms: int | None = None
        self._until_ms = 0
        self.pulses: list[Pulse] = []

    @property
    def released(self) -> bool:
        self._settle()
        return self._on_ms is not None

    def release(self, lease_s: float) -> None:
        if not 0 < lease_s <= LEASE_MAX_S:
            raise ValueError("a lease is at most 10 s")
        self._fuse.pass_moment()
        self._settle()
        now_ms = self._true_ms()
        was_on_ms, before_ms = self._on_ms, self._until_ms
        self._on_ms = now_ms if was_on_ms is None else was_on_ms
        self._until_ms = now_ms + int(lease_s * 1000)
        if was_on_ms is None or self._until_ms > before_ms:
            self.driven()
        self._fuse.pass_moment()

    def secure(self) -> None:
        self._settle()
        if self._on_ms is not None:
            self._end(self._true_ms())

    def close(self) -> None:
        self.secure()

    def _settle(self) -> None:
        if self._on_ms is not None and self._true_ms() >= self._until_ms:
            self._end(self._until_ms)

    def _end(self, at_ms: int) -> None:
        if self._on_ms is not None:
            self.pulses.append(Pulse(self._on_ms, at_ms))
            self._on_ms = None


class SimulatedDoor:
    """A door unit with its agent. `fault` hears of what goes wrong in the code itself."""

    def __init__(
        self,
        door: str,
        disk: SimulatedDisk,
        broker: SimulatedBroker,
        true_ms: Callable[[], int],
        schedule: Schedule,
        chance: random.Random,
    ) -> None:
        self.id = door
        self.disk = disk
        self.clocks = SimulatedClocks(true_ms)
        self.lock = SimulatedLock(true_ms, disk.fuse)
        self.leaf_open = False
        self.unit: Unit | None = None
        self.performer: Performer | None = None
        self.power = False
        self.linked = False
        self.linked_since_ms = 0
        self.started_ms = 0
        self.opened: Callable[[], None] = lambda: None  # told right after the leaf moved away from the frame
        self._broker = broker
        self._true_ms = true_ms
        self._schedule = schedule
        self._chance = chance
        self.life = 0  # everything scheduled for an earlier life of the controller is void
        self._link: agent.Link | None = None
        self.agent_life = 0
        self._next_turn_ms = 0
        self._wakes_at_s: tuple[int, float] | None = None  # the agent's life, the deadline it wakes at
        # Half of the doors have a reader on their inner side as well.
        self.inside = "inside" if chance.random() < 0.5 else None
        inner = () if self.inside is None else (self.inside,)
        self._setup = Setup(
            door=door, readers=("outside", *inner), contact=True, handle_sensed=False, inside=frozenset(inner)
        )

    # ---- power and processes

    def power_on(self) -> None:
        """Power is back: controller and agent start."""
        if self.power:
            return
        self.power = True
        self.disk.power_returns()
        self.clocks.power_on()
        self._start_controller()
        self._start_agent()

    @property
    def attended(self) -> bool:
        """Whether staff keep the door unlocked."""
        return self.performer is not None and self.attended_at(self.performer.now())

    def attended_at(self, now: Now) -> bool:
        """The same by a reading of its clock. Never without a controller."""
        assert self.performer is not None
        return self.performer.door.posture(now).state == "unlocked"

    def power_off(self) -> None:
        """Power goes. What the disk holds it holds; the relay lets go."""
        self.power = False
        self.disk.fuse.out()
        self._stop_agent()
        self._stop_controller()

    def restart_controller(self) -> None:
        """The controller is killed and started again within one boot."""
        if self.power:
            self._stop_controller()
            self._start_controller()

    def restart_agent(self) -> None:
        if self.power:
            self._stop_agent()
            self._start_agent()

    def _start_controller(self) -> None:
        self.life += 1
        self._next_turn_ms = 0
        ports = Ports(lock=self.lock, clock=self.clocks, light=None, leaf_open=self.leaf_open, cameras=("camera",))

        def start() -> None:
            self.unit = Unit(self._setup, ports, self.disk)
            self.performer = Performer(self.unit, self, self._told, self._anybody)
            self.performer.start()
            self.started_ms = self._true_ms()
            if self._link is not None:
                self.performer.joined("sync")
                self._handle(agent.ControllerHere())
            self.turn()

        self._alive(start)

    def _stop_controller(self) -> None:
        self.life += 1
        self.lock.secure()  # strict GPIO: a line whose owner is gone lets go
        self.unit = self.performer = None
        if self._link is not None:
            self._handle(agent.ControllerGone())

    def _start_agent(self) -> None:
        self.agent_life += 1
        self._link = agent.Link(self.id, self._true_ms() / 1000, self._chance.random())
        if self.performer is not None:
            self._alive(lambda: self.performer.joined("sync") if self.performer else None)
            self._handle(agent.ControllerHere())
        self._wake_link()

    def _stop_agent(self) -> None:
        self.agent_life += 1
        self._link = None
        self.linked = False
        self._broker.hang_up(self.id)
        if self.performer is not None:
            self._alive(lambda: self.performer.left("sync") if self.performer else None)

    # ---- what happens at the door

    def feed(self, event: Event) -> None:
        """Hardware says something."""
        self._do(lambda performer: performer.feed(event))

    def press(self, symbol: str, reader: str = "outside") -> None:
        self.feed(KeyPressed(reader, symbol))

    def show_qr(self, text: str) -> None:
        """The camera process read something."""
        self._do(lambda performer: performer.heard("camera", CameraRead(text=text[:300]), _no_answer))

    def exit_button(self) -> None:
        self.feed(ExitPressed())

    def open_leaf(self) -> None:
        if not self.leaf_open:
            self.leaf_open = True
            self.feed(LeafMoved(True))
            self.opened()

    def close_leaf(self) -> None:
        if self.leaf_open:
            self.leaf_open = False
            self.feed(LeafMoved(False))

    def turn(self) -> None:
        """One turn of the controller's loop, and the next one scheduled."""
        self._do(lambda _performer: None)

    def _do(self, call: Callable[[Performer], None]) -> None:
        def run() -> None:
            if self.performer is None:
                return
            call(self.performer)
            self.performer.heard("camera", SEEN, _no_answer)
            self.performer.turn()
            self._schedule_turn()

        self._alive(run)

    def _alive(self, call: Callable[[], None]) -> None:
        """Do something that power can interrupt."""
        try:
            call()
        except PowerCut:
            self.power_off()
            self._schedule(int(self._chance.random() * 60_000), self.power_on)

    def _schedule_turn(self) -> None:
        if self.performer is None or self.unit is None:
            return
        wait_ms = IDLE_TURN_MS
        now = self.performer.now()
        deadline_ms = self.performer.door.deadline_ms(now)
        if deadline_ms is not None:
            wait_ms = max(1, deadline_ms - now.mono_ms)
        if self.lock.released:
            wait_ms = min(wait_ms, RELEASED_TURN_MS)
        elif self.unit.log.held or not now.trusted or self.unit.clock.fault:
            wait_ms = min(wait_ms, WATCHFUL_TURN_MS)
        wait_ms = min(wait_ms, IDLE_TURN_MS)
        at_ms = self._true_ms() + wait_ms
        if self._true_ms() < self._next_turn_ms <= at_ms:
            return
        self._next_turn_ms = at_ms
        life = self.life
        self._schedule(wait_ms, lambda: self.turn() if (life, at_ms) == (self.life, self._next_turn_ms) else None)

    # ---- beside the loop

    def derive(self, pin: str, kdf: PinKdf, then: Callable[[str], None]) -> None:
        verifier = cheap_verifier(pin, kdf)
        self._later(DERIVATION_MS, lambda: then(verifier))

    def on_disk(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        self._later(DISK_MS, lambda: then(job()))

    def _later(self, delay_ms: int, call: Callable[[], None]) -> None:
        life = self.life
        self._schedule(delay_ms, lambda: self._do(lambda _performer: call()) if life == self.life else None)

    # ---- sync.sock, both ends

    def _anybody(self, role: Role) -> bool:
        return role == "sync" and self._link is not None

    def _told(self, role: Role, message: msgspec.Struct) -> None:
        self.disk.fuse.pass_moment()
        if role == "sync" and isinstance(message, SendBatch | SendState):
            life = self.agent_life
            self._schedule(1, lambda: self._handle(agent.FromController(message)) if life == self.agent_life else None)

    def _handle(self, event: agent.Event) -> None:
        if self._link is None:
            return
        for effect in self._link.handle(event, self._true_ms() / 1000, self._chance.random()):
            self._carry_out(effect)
        self._wake_link()

    def _carry_out(self, effect: agent.Effect) -> None:
        match effect:
            case agent.Connect():
                self._broker.connect(self.id, self)
            case agent.Abort():
                self._broker.hang_up(self.id)
            case agent.Subscribe():
                self._broker.subscribe(self.id)
            case agent.Publish():
                self._broker.publish_from_door(self.id, effect.topic, effect.payload, effect.retain)
            case agent.ToController():
                self._say(effect.message)

    def _say(self, message: Deliver | Link) -> None:
        if isinstance(message, Link):
            if message.up and not self.linked:
                self.linked_since_ms = self._true_ms()
            self.linked = message.up
        life = self.life
        heard: Callable[[Performer], None] = lambda performer: performer.heard("sync", message, _no_answer)  # noqa: E731
        self._schedule(1, lambda: self._do(heard) if life == self.life else None)

    def _wake_link(self) -> None:
        link, life = self._link, self.agent_life
        if link is None or link.deadline_s is None or self._wakes_at_s == (life, link.deadline_s):
            return
        deadline_s = link.deadline_s
        self._wakes_at_s = (life, deadline_s)
        wait_ms = max(1, int(deadline_s * 1000) - self._true_ms() + 1)

        def wake() -> None:
            if life == self.agent_life and self._link is not None and self._link.deadline_s == deadline_s:
                self._handle(agent.Woke())

        self._schedule(wait_ms, wake)

    # ---- the broker's word (DoorEnd)

    def broker_connected(self) -> None:
        self._handle(agent.Connected())

    def broker_disconnected(self) -> None:
        self._handle(agent.Disconnected())

    def broker_message(self, topic: str, payload: bytes) -> None:
        self._handle(agent.Received(topic, payload))


def _no_answer(_message: msgspec.Struct) -> None:
    """Nobody listens to what the controller would answer."""
