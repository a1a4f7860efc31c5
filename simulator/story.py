"""The story: one whole path through the demo, told as lines that are true or not.

    for line in Story(demo).play():
        print(line.step, line.happened, line.ok)

A line is true when what it says was seen from outside: the relay and the leaf in the virtual hardware, the records at
the hub through its API, the door's own status. Nothing sleeps; everything is waited for, with a deadline. The first
line that is not true ends the story.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from time import monotonic, time
from typing import Final

from controller.formats.envelope import key_id
from simulator import hub_secrets, tap
from simulator.control import HardwareRefused
from simulator.demo import StartFailed
from simulator.demo_files import DOOR, ROOM
from simulator.hub_client import HubRefused, applied, booking
from simulator.overheard import code_secrets, leaks
from simulator.processes import ChildDied, NotInTime
from simulator.visitor import RECONNECT_S, SOON_S, Untrue, Visitor
from sync.topics import ROOT

NOW, TOMORROW, LATE = "demo-now", "demo-tomorrow", "demo-late"
HOUR_S: Final = 3_600
CODES: Final = ("pin", "qr")


@dataclass(frozen=True)
class Line:
    """One line: what was tried, what happened, whether it came true, how long it took."""

    step: str
    happened: str
    ok: bool
    seconds: float


class Story(Visitor):
    """Plays on a demo that has started."""

    def play(self) -> Iterator[Line]:
        """The lines, each as soon as it is known."""
        steps: tuple[tuple[str, Callable[[], str]], ...] = (
            ("The door was enrolled by QR", self._enrolled),
            ("A reservation is made", self._reserve),
            ("The door applies its list", self._list_applied),
            ("The PIN opens", self._pin_opens),
            ("IN is recorded at the hub", self._in_recorded),
            ("The way out is free and recorded", self._leave),
            ("The QR opens", self._qr_opens),
            ("A wrong PIN is refused", self._wrong_pin),
            ("Tomorrow's PIN is too early", self._too_early),
            ("Network cut: the PIN still opens", self._open_without_network),
            ("Network back: records arrive once", self._network_back),
            ("Controller killed and started: still opens", self._killed),
            ("Cancelled: PIN and QR are refused", lambda: self._cancelled(NOW)),
            ("Booked while the network is cut: its QR opens", self._booked_without_network),
            ("Another list key: the door follows", self._list_key_replaced),
            ("Cancelled as well: that QR opens no more", lambda: self._cancelled(LATE)),
            ("Who listens at the broker learns nothing", self._nothing_overheard),
        )
        for step, play in steps:
            started_s = monotonic()
            try:
                happened, ok = play(), True
            except (Untrue, NotInTime, ChildDied, HubRefused, HardwareRefused, StartFailed, OSError) as error:
                happened, ok = f"{type(error).__name__}: {error}", False
            yield Line(step, happened, ok, round(monotonic() - started_s, 2))
            if not ok:
                return

    # --- the lines

    def _enrolled(self) -> str:
        carried = [path.name for path in self._demo.folders.door.iterdir() if path.suffix in {".crt", ".key"}]
        if carried or self._demo.listed_unconfirmed:
            raise Untrue(
                f"carried by hand: {carried}, a list before anybody confirmed: {self._demo.listed_unconfirmed}"
            )
        version = self._demo.door.status().trust_version
        return f"staff confirmed {self._demo.confirmed_code}, which the unit showed; it trusts version {version}"

    def _reserve(self) -> str:
        now_s = int(time())
        for ref, start_s in ((NOW, now_s), (TOMORROW, now_s + 24 * HOUR_S)):
            body = booking(1, "active", ROOM, start_s, start_s + HOUR_S)
            self.reservations[ref] = self._demo.hub.put(ref, body)
        now, tomorrow = (self._code(ref, "pin") for ref in (NOW, TOMORROW))
        return f"{NOW} has PIN {now} and a QR; {TOMORROW} is for later, with PIN {tomorrow}"

    def _list_applied(self) -> str:
        for ref in self.reservations:
            self._wait(lambda ref=ref: applied(self._demo.hub.get(ref)), SOON_S, f"delivery of {ref}")  # type: ignore[misc]
        status = self._demo.door.status()
        return f"version {status.list_version} with {status.grants} grants is in force at {DOOR}"

    def _pin_opens(self) -> str:
        return self._enter(lambda: self._type(self._code(NOW, "pin")))

    def _in_recorded(self) -> str:
        self._wait(lambda: len(self._ins()) == self._went_in, SOON_S, "the record of going in")
        event = self._ins()[-1]
        if event["grant"] != self.reservations[NOW]["grant"] or event["door"] != DOOR:
            raise Untrue(f"the hub has {event}")
        return f"{event['type']} of {event['reservation']} at {event['time']}"

    def _leave(self) -> str:
        before = self._count("access.out")
        self._demo.hardware.exit_button()
        self._noticed(self._demo.hardware.pull_inside, open=True)
        self._noticed(self._demo.hardware.close_leaf, open=False)
        self._wait(lambda: self._count("access.out") == before + 1, SOON_S, "the record of going out")
        return "exit button and handle; access.out is at the hub"

    def _qr_opens(self) -> str:
        happened = self._enter_by_qr(NOW)
        self._wait(lambda: len(self._ins()) == self._went_in, SOON_S, "the record of going in by QR")
        return happened

    def _wrong_pin(self) -> str:
        right = self._code(NOW, "pin")
        wrong = right[:-2] + f"{(int(right[-2:]) + 37) % 100:02d}"  # two digits off, so nobody else's either
        self._refused(lambda: self._type(wrong), "unknown_code")
        return "the relay did not move; access.refused (unknown_code) is at the hub"

    def _too_early(self) -> str:
        self._refused(lambda: self._type(self._code(TOMORROW, "pin")), "too_early")
        return "the relay did not move; access.refused (too_early) is at the hub"

    def _open_without_network(self) -> str:
        self._all_arrived()
        self._demo.hardware.cut()
        self._wait(lambda: not self._demo.door.status().linked, SOON_S, "the door to notice the cut")
        held = len(self._demo.hub.events())
        happened = self._enter(lambda: self._type(self._code(NOW, "pin")))
        waiting = self._demo.door.status().unsent
        if waiting < 1 or len(self._demo.hub.events()) != held:
            raise Untrue(f"{waiting} records wait, the hub got {len(self._demo.hub.events()) - held}")
        return f"{happened}; {waiting} records wait at the door"

    def _network_back(self) -> str:
        self._demo.hardware.mend()
        return self._all_arrived()

    def _killed(self) -> str:
        self._at_rest()
        self._demo.controller.kill()
        self._wait(lambda: not self._demo.hardware.state()["relay"], SOON_S, "the relay to let go")
        self._demo.restart_controller()
        happened = self._enter(lambda: self._type(self._code(NOW, "pin")))
        self._wait(lambda: self._demo.door.status().linked, RECONNECT_S, "the agent to come back")
        return f"{happened}; {self._all_arrived()}"

    def _cancelled(self, ref: str) -> str:
        start_s = int(time())
        self._demo.hub.put(ref, booking(2, "cancelled", ROOM, start_s, start_s + HOUR_S))
        self._wait(lambda: applied(self._demo.hub.get(ref)), SOON_S, "delivery of the cancellation")
        self._at_rest()
        pulses, picture = self._pulses(), self._picture(ref)
        try:
            self._demo.hardware.show(picture)
            self._wait(lambda: self._demo.door.public().shown == "refused", SOON_S, "the QR to be refused")
        finally:
            self._demo.hardware.hide()
        # A second refusal of a kind within a minute is only counted, so the try it cost is what shows it.
        tries = self._demo.door.status().tries
        self._type(self._code(ref, "pin"))
        self._wait(lambda: self._demo.door.status().tries == tries - 1, SOON_S, "the PIN to cost a try")
        self._still_locked(pulses)
        return f"neither moved the relay; {self._all_arrived()}"

    def _booked_without_network(self) -> str:
        self._demo.hardware.cut()
        self._wait(lambda: not self._demo.door.status().linked, SOON_S, "the door to notice the cut")
        now_s = int(time())
        answer = self.reservations[LATE] = self._demo.hub.put(LATE, booking(1, "active", ROOM, now_s, now_s + HOUR_S))
        (told,) = answer["delivery"]
        if (told["status"], told["opens_by"]) != ("queued", ["qr"]):
            raise Untrue(f"the hub says of {DOOR}: {told}")
        return f"the hub says to use the QR of {LATE} meanwhile; {self._enter_by_qr(LATE)}"

    def _list_key_replaced(self) -> str:
        self._demo.hardware.mend()
        hub, path = str(self._demo.folders.hub), self._demo.folders.root / "list.json"
        kid, _, said = self._demo.run("hub", "keys", "make", "list", "--hub", hub).strip().partition("\n")
        version = self._demo.door.status().trust_version + 1
        self._demo.ceremony.next(version, "rotate", "--key", said.partition(": ")[2])
        self._wait(lambda: self._demo.door.status().trust_version == version, RECONNECT_S, "the trust document")
        self._wait(lambda: applied(self._demo.hub.get(LATE)), RECONNECT_S, f"delivery of {LATE}")
        self._demo.run("hub", "list-of", DOOR, "--out", str(path), "--hub", hub)
        if key_id(path.read_bytes()) != kid:
            raise Untrue(f"the list was signed by {key_id(path.read_bytes())}, not by {kid}")
        happened = self._enter(lambda: self._type(self._code(LATE, "pin")))
        return f"two of three holders signed, the door is at trust version {version}; {happened}"

    def _nothing_overheard(self) -> str:
        messages = set(tap.read(self._demo.folders.traffic))
        passed = Counter(message.topic.rpartition("/")[2] for message in messages if message.topic.startswith(ROOT))
        if not passed["list"] or not passed["events"] or not passed["receipt"]:
            raise Untrue(f"the listener heard only {dict(passed)}")
        codes = [each[kind] for made in self.reservations.values() for each in made["credentials"] for kind in CODES]
        known = [*hub_secrets.read(self._demo.folders.hub), *chain(*map(code_secrets, filter(None, codes)))]
        found = sorted(set(leaks(messages, known)))
        if found:
            raise Untrue("; ".join(found))
        return f"{len(messages)} messages, {passed['list']} of them lists, hold none of {len(known)} secrets"
