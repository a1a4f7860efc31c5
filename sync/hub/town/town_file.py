"""`town.toml`: everything a town decides once. Which rooms, behind which doors, for which services and clients.

    [services.culture]
    name = "Cultuur"

    [clients.booking]                        # who may call the API
    service = "culture"
    scopes = ["reservations", "records"]

    [pin_sets.town]                          # doors whose PINs have one length
    live = 17                                # PINs alive at one door at a time

    [buildings.town-hall]
    entrances = ["front"]

    [rooms.INF001]
    id = "https://data.example/id/INF001"    # the back office's own id; the table's name if left out
    service = "culture"
    building = "town-hall"
    doors = ["hall-1", "hall-2"]

An unknown or missing name, a value out of range or a reference to nothing is Refused as `bad_town`, naming
`[section] name`. What follows from the file (door groups, ways, PIN length) is worked out here and nowhere else.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId, Language, Policy, Screen
from controller.formats.errors import Refused
from controller.formats.limits import LIMITS
from controller.formats.toml_file import parse_toml
from sync.hub.booking.codes import pin_rule
from sync.hub.booking.occurrences import Weekday

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,40}$")]
RoomId = Annotated[str, Meta(pattern=r"^[!-~]{1,200}$")]
Minutes = Annotated[int, Meta(ge=0, le=120)]
Scope = Literal["reservations", "rooms", "facility", "records", "stats"]
Hours = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
T = TypeVar("T")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class PolicyPlan(_Strict, frozen=True):
    """The policy a town may word itself; what is left out falls back to `[policy]`, then to the format's defaults.
    Everything about PIN tries follows from the PIN set."""

    release_s: int | None = None
    no_entry_s: int | None = None
    held_open_s: int | None = None
    early_hint_s: int | None = None
    log_failure: str | None = None
    languages: tuple[Language, ...] | None = None
    help: str | None = None
    passes: bool | None = None
    staff_qr: bool | None = None
    screen: Screen | None = None


class ServicePlan(_Strict, frozen=True):
    """A service of the town (sport, culture, …): owns rooms and clients; nothing crosses (R004-21)."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]


class ClientPlan(_Strict, frozen=True):
    """A program that calls the API. Scopes: `reservations` makes and reads its own, `rooms` reads status and readiness,
    `facility` sets closures and reads what needs a person, `records` reads who came and went, `stats` figures that name
    nobody. With `owner` it is an external owner's: it sees that owner's rooms only and lets in staff, never renters
    (R000-08). With `handovers` it tells how each code reached its holder; one it has told nothing of a day before is an
    exception (R004-10)."""

    service: Name
    owner: Name | None = None
    scopes: tuple[Scope, ...] = ("reservations",)
    handovers: bool = False


class PinSetPlan(_Strict, frozen=True):
    """Doors that may share a PIN. `live` bounds the PINs alive at one door at a time and so, with `tries`, decides
    length and refill. Length and cost of derivation are fixed with the first `apply`."""

    live: Annotated[int, Meta(ge=1)] = 17
    tries: Annotated[int, Meta(ge=1, le=100)] = 10
    memory_kib: Annotated[int, Meta(ge=8, le=LIMITS.pin_kdf_memory_kib)] = 19_456
    iterations: Annotated[int, Meta(ge=1, le=LIMITS.pin_kdf_iterations)] = 2


class BuildingPlan(_Strict, frozen=True):
    """A building: its entrances form one door group."""

    entrances: tuple[DoorId, ...] = ()
    pin_set: Name = "town"
    policy: PolicyPlan = PolicyPlan()


class MovePlan(_Strict, frozen=True):
    """From `at` on (an instant with offset), renters of the room come by the client `to`."""

    to: Name
    at: datetime.datetime


class RoomPlan(_Strict, frozen=True):
    """A rented room: its doors form one door group. `entrances` of its building lead to it, all of them unless
    named. A divisible room has `parts`: their doors lead to it too, and whoever rents a part has it (R002-08). `client`
    alone books renters into it, any client of the service if left out; `move` hands that over (R004-22)."""

    service: Name
    building: Name
    doors: tuple[DoorId, ...] = ()
    parts: tuple[Name, ...] = ()
    owner: Name | None = None
    client: Name | None = None
    move: MovePlan | None = None
    opening_hours: dict[Weekday, tuple[Hours, ...]] = {}
    reveal: Annotated[str, Meta(pattern=r"^P\d{1,3}D$")] = "P2D"
    id: RoomId | None = None
    entrances: tuple[DoorId, ...] | None = None
    time_zone: str = "Europe/Brussels"
    margin_before_min: Minutes = 15
    margin_after_min: Minutes = 15
    policy: PolicyPlan = PolicyPlan()


class RetentionPlan(_Strict, frozen=True):
    """After so many months records no longer say who it was, and reservations are forgotten (X-06; 3 is what the CNIL
    asks of access logs)."""

    months: Annotated[int, Meta(ge=1, le=12)] = 3


class DecisionPlan(_Strict, frozen=True):
    """Since when the policies and margins of this file hold, and who decided so (R001-11). At once when left out; what
    changes in rooms and doors always holds at once."""

    effective: datetime.date | None = None
    reference: Annotated[str, Meta(pattern=r"^[!-~]{1,300}$")] | None = None


class CommissioningPlan(_Strict, frozen=True):
    """`required`: a door lets renters in only once it was commissioned and passed. False for doors that are virtual."""

    required: bool = True


class Town(_Strict, frozen=True):
    """The whole file, checked."""

    services: dict[str, ServicePlan]
    clients: dict[str, ClientPlan]
    pin_sets: dict[str, PinSetPlan]
    buildings: dict[str, BuildingPlan]
    rooms: dict[str, RoomPlan]
    policy: PolicyPlan
    decision: DecisionPlan
    commissioning: CommissioningPlan = CommissioningPlan()
    retention: RetentionPlan = RetentionPlan()

    def room_id(self, name: str) -> str:
        """The id by which reservations name the room `name`."""
        return self.rooms[name].id or name

    def ways(self, name: str) -> tuple[str, ...]:
        """Every door one needs to get into the room `name`: entrances first, those of its parts last."""
        room = self.rooms[name]
        entrances = self.buildings[room.building].entrances if room.entrances is None else room.entrances
        return entrances + room.doors + tuple(door for part in self.parts(name) for door in self.rooms[part].doors)

    def parts(self, name: str) -> tuple[str, ...]:
        """The names of all parts of a room, parts of parts included."""
        return tuple(each for part in self.rooms[name].parts for each in (part, *self.parts(part)))

    def rivals(self, name: str) -> tuple[str, ...]:
        """The ids of all rooms that `name` is a part of or that are parts of it."""
        divided = (whole for whole, room in self.rooms.items() if room.parts)
        rivals = [*self.parts(name), *(whole for whole in divided if name in self.parts(whole))]
        return tuple(sorted(self.room_id(rival) for rival in rivals))

    def door_policy(self, own: PolicyPlan, pin_set: str) -> Policy:
        """The policy of a door group: its own words, then the town's, then the defaults. Raises Refused."""
        plan = self.pin_sets[pin_set]
        digits, refill_s = pin_rule(plan.live, plan.tries)
        pins = {"pin_digits": digits, "pin_tries": plan.tries, "pin_refill_s": refill_s}
        return msgspec.convert({**_given(self.policy), **_given(own), **pins}, Policy)


SECTIONS = frozenset(Town.__struct_fields__)


def read_town(text: str) -> Town:
    """The town in a `town.toml`. Raises Refused `bad_town` (or `pin_space_low` for a PIN set that cannot be kept)."""
    document = parse_toml(text.encode("utf-8"), "bad_town", "town.toml")
    for section in document:
        if section not in SECTIONS:
            raise Refused("bad_town", f"[{section}]", "no such section")
    document.setdefault("pin_sets", {"town": {}})
    town = Town(
        services=_entries(document, "services", ServicePlan),
        clients=_entries(document, "clients", ClientPlan),
        pin_sets=_entries(document, "pin_sets", PinSetPlan),
        buildings=_entries(document, "buildings", BuildingPlan),
        rooms=_entries(document, "rooms", RoomPlan),
        policy=_convert(document.get("policy", {}), PolicyPlan, "[policy]"),
        decision=_convert(document.get("decision", {}), DecisionPlan, "[decision]"),
        commissioning=_convert(document.get("commissioning", {}), CommissioningPlan, "[commissioning]"),
        retention=_convert(document.get("retention", {}), RetentionPlan, "[retention]"),
    )
    _check_references(town)
    _check_parts(town)
    _check_doors(town)
    for where, own, pin_set in _groups(town):
        try:
            town.door_policy(own, pin_set)
        except msgspec.ValidationError as error:
            raise Refused("bad_town", f"[{where}.policy]", str(error)) from None
        except Refused as refused:
            raise Refused(refused.code, f"[pin_sets.{pin_set}] live", refused.text) from None
    return town


def _entries(document: dict[str, Any], section: str, plan: type[T]) -> dict[str, T]:
    table = document.get(section, {})
    if not isinstance(table, dict):
        raise Refused("bad_town", f"[{section}]", "has to be a table")
    for name in table:
        _convert(name, Name, f"[{section}.{name}]")
    return {name: _convert(entry, plan, f"[{section}.{name}]") for name, entry in table.items()}


def _convert(value: object, kind: Any, where: str) -> Any:
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        raise Refused("bad_town", f"{where} {place.strip('.`')}".rstrip(), text) from None


def _check_references(town: Town) -> None:
    for name, client in town.clients.items():
        _known(client.service, town.services, f"[clients.{name}] service")
    for name, building in town.buildings.items():
        _known(building.pin_set, town.pin_sets, f"[buildings.{name}] pin_set")
    seen: dict[str, str] = {}
    zones = zoneinfo.available_timezones()  # reads a folder tree: once, not for each of a region's rooms
    for name, room in town.rooms.items():
        _known(room.service, town.services, f"[rooms.{name}] service")
        _known(room.building, town.buildings, f"[rooms.{name}] building")
        for entrance in room.entrances or ():
            _known(entrance, town.buildings[room.building].entrances, f"[rooms.{name}] entrances")
        _check_bookers(town, name, room)
        if room.time_zone not in zones:
            raise Refused("bad_town", f"[rooms.{name}] time_zone", f"no time zone {room.time_zone}")
        other = seen.setdefault(town.room_id(name), name)
        if other != name:
            raise Refused("bad_town", f"[rooms.{name}] id", f"is the id of room {other} as well")


def _check_bookers(town: Town, name: str, room: RoomPlan) -> None:
    """Who books a room is a client of its service."""
    wanted = [("client", room.client)] + ([("move.to", room.move.to)] if room.move is not None else [])
    for place, client in wanted:
        if client is not None:
            _known(client, town.clients, f"[rooms.{name}] {place}")
            if town.clients[client].service != room.service:
                raise Refused("bad_town", f"[rooms.{name}] {place}", f"{client} is of another service")
    if room.move is not None and room.move.at.tzinfo is None:
        raise Refused("bad_town", f"[rooms.{name}] move.at", "needs an offset, as in 2027-01-01T00:00:00+01:00")


def _check_parts(town: Town) -> None:
    """Parts are rooms of the same building, each of one whole only; a room without doors has parts."""
    whole_of: dict[str, str] = {}
    for name, room in town.rooms.items():
        if not room.doors and not room.parts:
            raise Refused("bad_town", f"[rooms.{name}] doors", "a room needs a door of its own, or parts")
        for part in room.parts:
            _known(part, town.rooms, f"[rooms.{name}] parts")
            other = whole_of.setdefault(part, name)
            if other != name or town.rooms[part].building != room.building:
                raise Refused("bad_town", f"[rooms.{name}] parts", f"{part} is elsewhere: in {other}")
    for name in town.rooms:
        whole = whole_of.get(name)
        while whole is not None:
            if whole == name:
                raise Refused("bad_town", f"[rooms.{name}] parts", "is a part of itself")
            whole = whole_of.get(whole)


def _known(name: str, names: object, where: str) -> None:
    if name not in names:  # type: ignore[operator]
        raise Refused("bad_town", where, f"{name} is not described in this file")


def _check_doors(town: Town) -> None:
    """A door belongs to one group only, so that a stolen unit holds the keys of that group only."""
    owner: dict[str, str] = {}
    listed = [(f"[buildings.{name}] entrances", each.entrances) for name, each in town.buildings.items()]
    listed += [(f"[rooms.{name}] doors", each.doors) for name, each in town.rooms.items()]
    for where, doors in listed:
        for door in doors:
            if door in owner:
                raise Refused("bad_town", where, f"door {door} is named in {owner[door]} already")
            owner[door] = where


def _groups(town: Town) -> Iterator[tuple[str, PolicyPlan, str]]:
    for name, building in town.buildings.items():
        yield f"buildings.{name}", building.policy, building.pin_set
    for name, room in town.rooms.items():
        yield f"rooms.{name}", room.policy, town.buildings[room.building].pin_set


def _given(plan: PolicyPlan) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(plan).items() if value is not None}
