"""A fleet: thousands of doors at a real broker and a real hub, through everything that hits all of them at once.

    with Fleet(folder, Size(doors=2_000), tell) as fleet:
        fleet.prepare()
        phases = [phase() for phase in fleet.phases()]

Broker (Mosquitto, on the shipped configuration: TLS with a client certificate for each door), hub and the doors'
processes are real, on this machine; so what a phase takes includes the doors' own work, which in a town has as many
processors as there are doors. The processor seconds of broker and hub beside it are what a server needs.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from time import monotonic, process_time, time
from types import TracebackType
from typing import Final

from controller.formats import trust_step
from simulator import broker, fleet_town
from simulator.demo import COMMAND
from simulator.fleet_door import DoorKit
from simulator.fleet_worker import Flood, Marks, Order, Progress, Site, Start, Watch, Write, work
from simulator.hub_client import HubClient
from simulator.ports import free_port
from simulator.processes import Child, NotInTime, Processes
from simulator.resources import memory_of, processor_s
from sync.hub.cli_app import Hub
from sync.hub.keys.trust_shelf import TRUST, TrustShelf
from sync.hub.town.town_file import read_town

DOORS_A_PROCESS: Final = 2_500
START_S: Final = 60.0
PATIENCE_S: Final = 120.0
PATIENCE_A_DOOR_S: Final = 0.3
"""How long a phase may take before it counts as stuck; generous, the machine may have other work."""

Three = tuple[float, float, float]
Tell = Callable[[str, int, int], None]
"""Hears what is being done, how many doors have it behind them, and of how many."""


@dataclass(frozen=True)
class Size:
    """How large a fleet. Each door has `grants` on its list and sends `batches` of `records` in the flood. `database`
    is the hub's, as hub.toml has it; SQLite if left out."""

    doors: int
    grants: int = 100
    batches: int = 2
    records: int = 50
    database: str | None = None


@dataclass(frozen=True)
class Phase:
    """What one phase took: until the last door had it behind it, and for half and 95 % of the doors; processor seconds
    of broker, hub (with the command that changes the town) and the doors' processes meanwhile; memory (PSS, bytes) of
    each after it."""

    name: str
    doors: int
    seconds: float
    p50_s: float
    p95_s: float
    broker_cpu_s: float
    hub_cpu_s: float
    doors_cpu_s: float
    broker_bytes: float
    hub_bytes: float
    doors_bytes: float


class Fleet:
    """Raises NoBroker, ChildDied, or NotInTime when a phase gets stuck."""

    hub: Hub
    kits: list[DoorKit]

    def __init__(self, folder: Path, size: Size, tell: Tell) -> None:
        self.size = size
        self.broker_port = free_port()
        self._folder = folder
        self._tell = tell
        self._http_port = free_port()
        self._processes = Processes(folder / "logs")
        self._doors: list[tuple[multiprocessing.process.BaseProcess, Connection]] = []
        self._progress: dict[Connection, Progress] = {}
        self._release_s = 5
        self._number = 0

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, orders in self._doors:
            orders.close()
            process.terminate()
            process.join()
        self._processes.stop()

    def prepare(self) -> None:
        """Make the town, its doors and their grants, and start broker, hub and the doors' processes; no door connects
        yet."""
        _raise_descriptor_limit()
        (self._folder / "logs").mkdir(parents=True)
        doors = self.size.doors
        self._tell("making the town", 0, doors)
        self.hub = fleet_town.make_town(
            self._folder / "hub", doors, self._http_port, self.broker_port, self.size.database
        )
        self.kits = fleet_town.enrol(
            self.hub, self._folder / "doors", doors, lambda done: self._tell("keys and certificates", done, doors)
        )
        fleet_town.fill(self.hub, doors, self.size.grants, lambda done: self._tell("reservations", done, doors))
        self._tell("lists", 0, doors)
        self.hub.service.lists.build(int(time()))
        (self._folder / "broker").mkdir()
        file = broker.write_configuration(self._folder / "broker", self.hub.settings.folders.tls, self.broker_port)
        self._broker = self._processes.start("broker", broker.command(file))
        self._wait_for_broker()
        self._hub = self._processes.start("hub", [*COMMAND, "hub", "serve", "--hub", str(self._folder / "hub")])
        self._wait_for_hub()
        self._start_doors()

    def phases(self) -> Iterator[Callable[[], Phase]]:
        """What happens to a fleet, in order."""
        yield self.herd
        yield self.push
        yield self.flood
        yield self.broker_restart
        yield self.hub_restart

    # --- the phases

    def herd(self) -> Phase:
        """All doors come at once, as after a power cut in the whole town, and get their lists."""
        return self._phase("connect herd, lists received", "listed", lambda: self._order(Start()))

    def push(self) -> Phase:
        """A policy changes: every list is made anew, signed, delivered, and verified at its door."""
        return self._phase("every list re-signed and verified", "listed", self._apply)

    def flood(self) -> Phase:
        """Every door has been away and sends its log, one batch after the other's receipt."""
        self._write(self.size.batches)
        return self._phase("event flood to signed receipts", "receipted", lambda: self._order(Flood()))

    def broker_restart(self) -> Phase:
        """The broker goes and comes back; every door comes again by its own back-off."""

        def restart() -> None:
            self._broker.stop()
            self._broker.start()
            self._wait_for_broker()

        return self._phase("broker restart, all back", "connected", restart)

    def hub_restart(self) -> Phase:
        """The hub is killed; every door sends; the hub comes back, and all have their receipts."""
        self._write(1)

        def restart() -> None:
            self._hub.kill()
            self._order(Flood())
            self._hub.start()

        return self._phase("hub killed, started, receipts for all", "receipted", restart)

    def silently(self, name: str, act: Callable[[], None]) -> Phase:
        """Something that gives every door a new list without a hub; the doors verify it and say nothing."""
        return self._phase(name, "listed", act, mute=True)

    def stop_hub(self) -> None:
        """For measuring without one."""
        self._hub.stop()

    def _phase(self, name: str, mark: str, act: Callable[[], object], *, mute: bool = False) -> Phase:
        before, own_s = self._processor_s(), process_time()
        started_s = monotonic()
        self._number += 1
        self._order(Watch(self._number, started_s, mute))
        act()
        self._until(lambda: self._marked(mark) == self.size.doors, name, mark)
        times = sorted(self._marks()[mark])
        broker_s, hub_s, doors_s = _spent(self._processor_s(), before)
        # What `hub apply` does is done in this process.
        spent = (broker_s, hub_s + process_time() - own_s, doors_s)
        at = (times[-1], times[len(times) // 2], times[len(times) * 95 // 100])
        return Phase(name, self.size.doors, *at, *spent, *self._memory())

    # --- the processes

    def _start_doors(self) -> None:
        payload = trust_step.payload_of(TrustShelf(self.hub.settings.folders.keys / TRUST).needed().document)
        authorities = (self.hub.settings.folders.tls / "ca.pem").read_text("ascii")
        site = Site(self.broker_port, authorities, payload)
        count = max(1, math.ceil(self.size.doors / DOORS_A_PROCESS), 2 if self.size.doors >= 500 else 1)
        context = multiprocessing.get_context("spawn")
        for number in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(site, self.kits[number::count], theirs), daemon=True)
            process.start()
            theirs.close()
            self._doors.append((process, ours))
        self._until(lambda: len(self._progress) == count, "the doors' processes", "connected")

    def _apply(self) -> None:
        """What `hub apply` does with a policy that changed."""
        self._release_s = 11 - self._release_s
        self.hub.service.apply(read_town(fleet_town.town(self.size.doors, self._release_s)), int(time()))

    def _write(self, batches: int) -> None:
        self._order(Write(batches, self.size.records))
        self._until(lambda: all(each.written for each in self._progress.values()), "the doors' logs", "receipted")

    def _wait_for_broker(self) -> None:
        self._processes.wait_until(lambda: broker.answers(self.broker_port), START_S, "the broker to listen")

    def _wait_for_hub(self) -> None:
        client = HubClient("127.0.0.1", self._http_port, "")
        self._processes.wait_until(client.healthy, START_S, "the hub to answer")

    def _order(self, order: Order) -> None:
        for _, orders in self._doors:
            orders.send(order)

    def _marks(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for _, orders in self._doors:
            orders.send(Marks())
            while isinstance(answer := orders.recv(), Progress):
                self._progress[orders] = answer
            for name, times in answer.items():
                found.setdefault(name, []).extend(times)
        return found

    def _marked(self, mark: str) -> int:
        """How many doors have the mark, by reports that know of the present phase."""
        reports = (each for each in self._progress.values() if each.number == self._number)
        return sum(each.marked.get(mark, 0) for each in reports)

    def _until(self, come_true: Callable[[], bool], what: str, mark: str) -> None:
        deadline_s = monotonic() + PATIENCE_S + PATIENCE_A_DOOR_S * self.size.doors
        while not come_true():
            self._processes.check()
            for orders in wait([orders for _, orders in self._doors], timeout=1.0):
                assert isinstance(orders, Connection)
                self._progress[orders] = orders.recv()
            done = self._marked(mark)
            self._tell(what, done, self.size.doors)
            if monotonic() > deadline_s:
                states = [(each.connected, each.marked, each.refused) for each in self._progress.values()]
                raise NotInTime(f"{what}: {done} of {self.size.doors} doors; {states}")

    # --- what it takes

    def _processor_s(self) -> Three:
        doors = sum(processor_s(process.pid) for process, _ in self._doors if process.pid)
        return _now(processor_s, self._broker), _now(processor_s, self._hub), doors

    def _memory(self) -> Three:
        doors = sum(memory_of(process.pid) for process, _ in self._doors if process.pid)
        return _now(memory_of, self._broker), _now(memory_of, self._hub), doors


def _spent(after: Three, before: Three) -> Three:
    """The difference; a process that was started anew meanwhile counts from its start."""
    broker_s, hub_s, doors_s = (
        late - early if late >= early else late for late, early in zip(after, before, strict=True)
    )
    return broker_s, hub_s, doors_s


def _now(ask: Callable[[int], float], child: Child) -> float:
    return ask(child.pid) if child.started else 0.0


def _raise_descriptor_limit() -> None:
    """As many descriptors as this account may have: the broker needs one for each door and inherits the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
