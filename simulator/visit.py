"""What a visitor of the virtual door has in hand and in view: reservations, the plugs, and all that can be seen.

visit = Visit(demo)
visit.start()
visit.reserve(start_min=0, minutes=60)      # {"ref": …, "pin": …, "qr": svg}
visit.news()                                # hardware, status, both logs: one JSON object
"""

from __future__ import annotations

import io
import json
import resource
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time
from typing import Any, Final

import msgspec
import segno

from simulator.control import HardwareClient, HardwareRefused
from simulator.demo import Demo
from simulator.demo_files import ROOM, TIME_ZONE
from simulator.hub_client import HubRefused, applied, booking, code
from simulator.processes import Child
from simulator.virtual_clock import VirtualClockFile

LOOK_S: Final = 0.08  # LED rhythms have steps of 150 ms
ASK_S: Final = 0.6  # the unit, its log and the hub
RECORDS: Final = 40
QR_PX: Final = 8
MINUTE_S: Final = 60

Json = dict[str, Any]


@dataclass
class _Reservation:
    ref: str
    pin: str
    qr: str
    start_s: int
    end_s: int
    revision: int = 1
    state: str = "queued"  # queued, applied, cancelled


class Visit:
    """Everything may be called from any thread; `start` and `stop` once."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._reservations: list[_Reservation] = []
        self._card_full = False
        self._powered = True
        self._clock = VirtualClockFile(demo.folders.clock)
        self._seen: Json = {}
        self._guard = threading.Lock()
        self._over = threading.Event()
        # The kernel ends our children with the thread that started them, so that thread must outlive a request.
        self._plug = ThreadPoolExecutor(1, "plug")

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._look, name="look", daemon=True).start()
        threading.Thread(target=self._ask, name="ask", daemon=True).start()

    def stop(self) -> None:
        self._over.set()
        self._plug.shutdown()

    def news(self) -> Json:
        """Everything that can be seen now."""
        with self._guard:
            return dict(self._seen)

    # ---- reservations

    def reserve(self, start_min: int, minutes: int) -> Json:
        """Make a reservation from `start_min` minutes from now. The room is rented once at a time: what the visitor
        has at that time is cancelled first. Raises HubRefused or OSError."""
        if not (-60 <= start_min <= 7 * 24 * 60 and 1 <= minutes <= 24 * 60):
            raise ValueError("a reservation here starts within a week and lasts a day at most")
        now_s = int(time())
        start_s = now_s + start_min * MINUTE_S
        made = _Reservation(f"visit-{now_s}-{len(self._reservations)}", "", "", start_s, start_s + minutes * MINUTE_S)
        for before in self._reservations:
            if before.state != "cancelled" and before.start_s < made.end_s and made.start_s < before.end_s:
                self.cancel(before.ref)
        answer = self._demo.hub.put(made.ref, booking(1, "active", ROOM, made.start_s, made.end_s))
        made.pin, made.qr = code(answer, "pin"), code(answer, "qr")
        self._reservations.append(made)
        return {"ref": made.ref}

    def cancel(self, ref: str) -> Json:
        """Cancel one of them. Raises KeyError, HubRefused or OSError."""
        made = self._find(ref)
        made.revision += 1
        self._demo.hub.put(ref, booking(made.revision, "cancelled", ROOM, made.start_s, made.end_s))
        made.state = "cancelled"
        return {}

    def picture(self, ref: str) -> bytes:
        """The QR of a reservation as PNG. Raises KeyError."""
        png = io.BytesIO()
        segno.make(self._find(ref).qr, error="m").save(png, kind="png", scale=QR_PX)
        return png.getvalue()

    def _find(self, ref: str) -> _Reservation:
        return next((made for made in self._reservations if made.ref == ref), None) or _missing(ref)

    # ---- plugs

    def power(self, on: bool) -> Json:
        """Pull the unit's plug, as a power cut does: SIGKILL, all at once. Or plug it in again."""
        self._plug.submit(self._switch_power, on).result()
        return {}

    def fill_card(self, full: bool) -> Json:
        """Fill the card, or make room again. No file of the controller can grow meanwhile: that is what a full card
        means to it, and it takes no administrator to bring about."""
        self._card_full = full
        if self._powered:
            self._limit_card()
        return {}

    def set_clock(self, ahead_s: float, drift_ppm: float) -> Json:
        """What the network tells the unit about the time. Raises ValueError."""
        self._clock.set(ahead_s, drift_ppm)
        return {}

    def _switch_power(self, on: bool) -> None:
        if on and not self._powered:
            for process in self._processes():
                process.start()
            self._powered = True
            if self._card_full:
                self._limit_card()
        elif not on:
            self._powered = False
            for process in self._processes():
                process.kill()

    def _limit_card(self) -> None:
        pid = self._demo.controller.pid
        _, ceiling = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if self._card_full else ceiling, ceiling))

    def _processes(self) -> tuple[Child, ...]:
        demo = self._demo
        return demo.controller, demo.camera, demo.agent, demo.display

    # ---- looking

    def _look(self) -> None:
        hardware: HardwareClient | None = None
        while not self._over.wait(LOOK_S):
            try:
                hardware = hardware or HardwareClient(self._demo.folders.hardware / "control.sock")
                state = hardware.state()
            except (OSError, HardwareRefused):
                hardware = None
                continue
            for too_much in ("pulses", "now_s"):
                del state[too_much]
            self._see(hardware=state, power=self._powered, card_full=self._card_full)

    def _ask(self) -> None:
        screen = f"http://127.0.0.1:{self._demo.display_port}/"
        self._see(display=screen, clock=self._clock.told(), time_zone=TIME_ZONE)
        while not self._over.wait(ASK_S):
            began_s = monotonic()
            self._see(
                status=self._status(),
                door_log=_records(self._demo.folders.data / "log.db"),
                clock=self._clock.told(),
                **self._hub(),
            )
            # A slow machine spends half of its time elsewhere.
            self._over.wait(monotonic() - began_s)

    def _status(self) -> Json | None:
        try:
            return dict(msgspec.to_builtins(self._demo.door.status()))
        except OSError:
            return None

    def _hub(self) -> Json:
        try:
            for made in self._reservations:
                if made.state == "queued" and applied(self._demo.hub.get(made.ref)):
                    made.state = "applied"
            events = self._demo.hub.events()[-RECORDS:]
        except (OSError, HubRefused):
            return {"reservations": self._shown()}
        return {"hub_log": events, "reservations": self._shown()}

    def _shown(self) -> list[Json]:
        return [
            {
                "ref": made.ref,
                "pin": made.pin,
                "qr": segno.make(made.qr, error="m").svg_inline(omitsize=True, border=2, light="#fff"),
                "start": made.start_s,
                "end": made.end_s,
                "state": made.state,
            }
            for made in self._reservations
        ]

    def _see(self, **seen: Any) -> None:
        with self._guard:
            self._seen.update(seen)


def _records(database: Path) -> list[Json]:
    """The newest records on the unit's card, read as one who took the card out would; none while it cannot be read."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1)) as card:
            rows = card.execute("SELECT event FROM record ORDER BY at_ms DESC, seq DESC LIMIT ?", (RECORDS,)).fetchall()
    except sqlite3.Error:
        return []
    return [json.loads(event) for (event,) in reversed(rows)]


def _missing(ref: str) -> _Reservation:
    raise KeyError(f"no reservation {ref}")
