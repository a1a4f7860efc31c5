"""The town's programs: what they ask the hub for, when, and again until it answers; and who comes to the doors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from simulator.town_calendar import HOUR_S, MINUTE_S, Stay
from sync.hub.booking.answers import Answer
from sync.hub.booking.occurrences import Series
from sync.hub.booking.reservations import Wish

if TYPE_CHECKING:
    from simulator.town import TownWorld

CLIENT = "booking"
AGAIN_S = 60
"""A program that hears nothing calls again after a minute."""

BRUSSELS = ZoneInfo("Europe/Brussels")


class Desk:
    """Acts for every stay of the plan."""

    def __init__(self, world: TownWorld) -> None:
        self._world = world

    def plan(self, stay: Stay) -> None:
        """Everything that will be done for one stay."""
        world = self._world
        world.at(stay.asked_at, lambda: self._until_done("booked", lambda: self._book(stay), stay))
        if stay.change != "none":
            world.at(stay.changes_at, lambda: self._until_done(stay.change, lambda: self._change(stay), stay))
        for start, _ in (*stay.booked, *stay.moves_to):
            world.at(start - 5 * MINUTE_S + hash_of(stay.ref) % (30 * MINUTE_S), lambda s=start: self._comes(stay, s))  # type: ignore[misc]

    def _until_done(self, what: str, call: Callable[[], None], stay: Stay) -> None:
        """Call, and again while the hub is away. A change waits for its booking."""
        world = self._world
        ready = what == "booked" or stay.state != "wanted"
        if ready and world.hub.try_to(call):
            world.report.calls[what] += 1
        elif not ready or not world.hub.up:
            world.report.calls["again"] += 1
            world.at(world.now_s + AGAIN_S, lambda: self._until_done(what, call, stay))

    def _book(self, stay: Stay) -> None:
        world = self._world
        world.report.calls[stay.way] += 1
        match stay.way:
            case "csv":
                self._upload(stay, "csv", _row(stay, "active"))
            case "ics":
                self._upload(stay, "ics", _calendar(stay, "CONFIRMED"))
            case _:
                self._put(stay, "active")
                if hash_of(stay.ref) % 10 == 0:  # an answer that got lost
                    self._put(stay, "active", again=True)

    def _change(self, stay: Stay) -> None:
        world, service = self._world, self._world.hub.service
        match stay.change:
            case "cancel" if stay.way == "csv":
                self._upload(stay, "csv", _row(stay, "cancelled"))
            case "cancel" if stay.way == "ics":
                self._upload(stay, "ics", _calendar(stay, "CANCELLED"))
            case "cancel":
                self._put(stay, "cancelled")
            case "move":
                stay.booked = stay.moves_to
                self._put(stay, "active")
            case "swap":
                instead = stay.instead
                assert instead is not None
                answer, _ = service.swap(CLIENT, stay.ref, instead.ref, _wish(instead, 1, "active"), world.now_s)
                stay.state = "cancelled"
                self._heard(instead, answer, "active")
                for start, _until in instead.booked:
                    world.at(start + hash_of(instead.ref) % (25 * MINUTE_S), lambda s=start: self._comes(instead, s))  # type: ignore[misc]
            case "rotate":
                stay.pins.clear()
                stay.qrs.clear()
                self._heard(stay, service.rotate(CLIENT, stay.ref, world.now_s), "active")
            case "companion":
                answer, _ = service.add_credential(CLIENT, stay.ref, "pin", "h-companion", world.now_s)
                self._heard(stay, answer, "active")
            case "suspend":
                self._put(stay, "suspended")
                world.at(
                    world.now_s + HOUR_S, lambda: self._until_done("resume", lambda: self._put(stay, "active"), stay)
                )

    def _put(self, stay: Stay, state: str, *, again: bool = False) -> None:
        stay.revision += 0 if again else 1
        world = self._world
        answer, created = world.hub.service.put(CLIENT, stay.ref, _wish(stay, stay.revision, state), world.now_s)
        assert created == (stay.revision == 1 and not again)
        self._heard(stay, answer, state)

    def _upload(self, stay: Stay, form: str, data: str) -> None:
        world = self._world
        (outcome,) = world.hub.adapters.upload(form, CLIENT, data.encode(), world.now_s)  # type: ignore[arg-type]
        assert outcome.code is None, outcome
        stay.state = "cancelled" if "cancelled" in data.lower() else "active"
        assert outcome.ref is not None
        stay.ref = outcome.ref
        self._heard(stay, world.hub.service.get(CLIENT, stay.ref, world.now_s), stay.state)

    def _heard(self, stay: Stay, answer: Answer, state: str) -> None:
        """What the answer says; codes that may not be shown yet are fetched when they may."""
        world = self._world
        stay.state, stay.grant = state, answer.grant  # type: ignore[assignment]
        world.stays[answer.grant] = stay
        for code in answer.credentials:
            stay.pins += [code.pin] if code.pin and code.pin not in stay.pins else []
            stay.qrs += [code.qr] if code.qr and code.qr not in stay.qrs else []
        if state == "active" and not stay.pins:
            at = max(code.reveal_at for code in answer.credentials)
            world.at(at, lambda: self._until_done("reveal", lambda: self._reveal(stay), stay))

    def _reveal(self, stay: Stay) -> None:
        if stay.state != "active":
            return
        self._heard(stay, self._world.hub.service.reveal(CLIENT, stay.ref, self._world.now_s), "active")

    def _comes(self, stay: Stay, start: int) -> None:
        """The holder stands at the first door, for the time that begins at `start`; called off or not."""
        world = self._world
        if all(start != begin for begin, _ in stay.booked):
            return
        if stay.state == "active" and not stay.pins:
            world.report.visits["had no code yet"] += 1  # the hub was away since the booking: nobody comes without one
            return
        if stay.pins and not (stay.state == "cancelled" and hash_of(stay.ref) % 3):
            world.visited(stay)


def hash_of(text: str) -> int:
    """A number that any run makes of a text."""
    return int.from_bytes(text.encode()[-4:], "big") * 2_654_435_761 % (1 << 31)


def _wish(stay: Stay, revision: int, state: str) -> Wish:
    windows = stay.booked
    patterns: tuple[Series, ...] = ()
    if stay.way == "series" and len(windows) > 1:
        start, end = (datetime.fromtimestamp(at, BRUSSELS).strftime("%Y-%m-%dT%H:%M") for at in windows[0])
        windows, patterns = (), (Series(start, end, f"FREQ=WEEKLY;COUNT={len(stay.booked)}"),)
    return Wish(
        revision=revision,
        state=state,  # type: ignore[arg-type]
        kind="renter",
        rooms=stay.rooms,
        windows=windows,
        patterns=patterns,
        holder={"ref": f"h-{stay.ref}", "kind": "association"},
        correlation={},
        reveal_s=0,
    )


def _row(stay: Stay, state: str) -> str:
    start, end = (datetime.fromtimestamp(at, BRUSSELS) for at in stay.booked[0])
    cells = (stay.ref, stay.rooms[0], f"{start:%d/%m/%Y}", f"{start:%H:%M}", f"{end:%H:%M}", state)
    return "ref;room;date;start;end;state\n" + ";".join(cells) + "\n"


def _calendar(stay: Stay, status: str) -> str:
    start, end = (f"{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}" for at in stay.booked[0])
    stay.revision += 1
    lines = (
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//town//EN", "BEGIN:VEVENT", f"UID:{stay.ref}",
        f"DTSTAMP:{start}", f"SEQUENCE:{stay.revision}", f"STATUS:{status}", f"LOCATION:{stay.rooms[0]}",
        f"DTSTART:{start}", f"DTEND:{end}", "END:VEVENT", "END:VCALENDAR",
    )  # fmt: skip
    return "\r\n".join(lines) + "\r\n"
