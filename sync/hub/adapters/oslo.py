"""OSLO Zaalreservatie, the Flemish standard, as JSON-LD: in and out. `docs/oslo.md` has the mapping term by term.

    entries = read_oslo(document, places, base="https://data.mortsel.example/id/")
    document = write_oslo(entries, base)

A document is read by the terms of the published context, without fetching it: an address inside a document decides
nothing here. `base` is put before the name of a blank node (`_:INF001`), which by itself names nothing outside its
document. Names of people are passed over: a holder is known by its `@id`, or else by the reservation's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, unquote

from controller.formats.code_list import Window
from controller.formats.errors import Refused
from sync.hub.adapters.entry import Entry, HolderKind, Rejected, as_ref, read_json, rejected, window
from sync.hub.adapters.places import Places
from sync.hub.issuing.issuer import GrantState

CONTEXT = (
    "https://data.vlaanderen.be/doc/applicatieprofiel/zaalreservatie/ontwerpstandaard/2025-04-18/context/"
    "zaalreservatie.jsonld"
)
STATUS = "https://data.vlaanderen.be/id/concept/Infrastructuurreservatiestatustype/"
ACTIVITY = "https://data.vlaanderen.be/id/concept/Activiteittype/"
RESERVATION = "Infrastructuurreservatie"
WRITTEN = r"(?:[A-Za-z0-9_.~-]|%[2-7][0-9A-F])+"

# R000-02. `gearchiveerd` is not here: an archived reservation is over, and nothing is to be done.
STATES: Mapping[str, GrantState] = {
    "aanvraag": "pending",
    "inbehandeling": "pending",
    "goedgekeurd": "active",
    "bevestigd": "active",
    "afgekeurd": "cancelled",
    "geannuleerd": "cancelled",
}
ARCHIVED = "gearchiveerd"
STATUS_OF: Mapping[GrantState, str] = {
    "pending": "inBehandeling",
    "active": "goedgekeurd",
    "suspended": "inBehandeling",
    "cancelled": "geannuleerd",
}
HOLDERS: Mapping[str, HolderKind] = {
    "Persoon": "person",
    "Agent": "association",
    "Organisatie": "association",
    "Vereniging": "association",
    "GeregistreerdeOrganisatie": "company",
}
TYPE_OF: Mapping[HolderKind, str] = {
    "person": "Persoon",
    "association": "Organisatie",
    "company": "GeregistreerdeOrganisatie",
    "staff": "Organisatie",
}


def read_oslo(data: bytes, places: Places, base: str = "") -> list[Entry | Rejected]:
    """The reservations of a document. Raises Refused `bad_document` when it is no JSON-LD with any."""
    try:
        document = read_json(data)
    except ValueError:
        raise Refused("bad_document", "document", "is not JSON") from None
    nodes = document.get("@graph", [document]) if isinstance(document, dict) else document
    found = [node for node in listed(nodes) if isinstance(node, dict) and RESERVATION in listed(node.get("@type"))]
    if not found:
        raise Refused("bad_document", "@graph", f"holds no {RESERVATION}")
    items = (_reservation(node, places, base) for node in found)
    return [item for item in items if item is not None]


def _reservation(node: dict[str, Any], places: Places, base: str) -> Entry | Rejected | None:
    name = str(node.get("@id", ""))
    where = f"{RESERVATION} {name or '(without @id)'}"
    ref = _name(name, base) if name else None
    try:
        if ref is None:
            raise Refused("bad_request", "@id", "a reservation needs one")
        status = _status(node)
        if status == ARCHIVED:
            return None
        if status not in STATES:
            raise Refused("bad_request", f"{RESERVATION}.status", f"is not one of {', '.join(STATES)}, {ARCHIVED}")
        state = STATES[status]
        rooms = _rooms(node, places, base) if state != "cancelled" else ()
        windows = _booked(node, rooms, places) if state != "cancelled" else ()
        holder, holder_kind = _holder(node, ref, base)
        return Entry(
            where=where,
            ref=ref,
            state=state,
            rooms=rooms,
            windows=windows,
            holder=holder,
            holder_kind=holder_kind,
            correlation=_activity(node),
        )
    except Refused as refused:
        return rejected(where, ref, refused)


def _status(node: dict[str, Any]) -> str:
    """The last part of the concept's address; the samples write it `Aanvraag` as well as `inBehandeling`."""
    found = _ids(node, f"{RESERVATION}.status")
    if len(found) != 1:
        raise Refused("bad_request", f"{RESERVATION}.status", "a reservation has one status")
    return re.sub(r"[^a-z]", "", last_part(found[0]).lower())


def _rooms(node: dict[str, Any], places: Places, base: str) -> tuple[str, ...]:
    rooms = tuple(places.room(absolute(each, base)) for each in _ids(node, f"{RESERVATION}.infrastructuur"))
    if not rooms:
        raise Refused("unknown_room", f"{RESERVATION}.infrastructuur", "names no room")
    return rooms


def _booked(node: dict[str, Any], rooms: tuple[str, ...], places: Places) -> tuple[Window, ...]:
    periods = listed(node.get(f"{RESERVATION}.periode"))
    if not periods:
        raise Refused("window_required", f"{RESERVATION}.periode", "a reservation needs a period")
    return tuple(sorted({each for period in periods for each in _windows(period, rooms, places)}))


def _windows(period: object, rooms: tuple[str, ...], places: Places) -> list[Window]:
    if not isinstance(period, dict):
        raise Refused("bad_request", f"{RESERVATION}.periode", "is a Periode")
    van, tot = (_moment(period.get(f"Periode.{end}"), f"Periode.{end}") for end in ("van", "tot"))
    if isinstance(van, datetime) and isinstance(tot, datetime):
        return [window(van, tot)]
    if isinstance(van, datetime) or isinstance(tot, datetime) or tot < van:
        raise Refused("bad_request", f"{RESERVATION}.periode", "from and to are both moments, or both days in order")
    days = [date.fromordinal(day) for day in range(van.toordinal(), min(tot.toordinal(), van.toordinal() + 400) + 1)]
    return places.days(rooms, days)


def _moment(moment: object, where: str) -> datetime | date:
    """An instant with offset, or a day."""
    node = moment if isinstance(moment, dict) else {}
    text = text_of(node.get("Moment.inXSDDatumTijd")) or text_of(node.get("Moment.inXSDDatum"))
    if text is None:
        raise Refused("window_required", where, "a moment or a day is needed")
    try:
        if "T" not in text:
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("bad_request", where, "is no date or time") from None
    if found.tzinfo is None:
        raise Refused("bad_request", where, "has no offset, so it could mean two instants")
    return found


def _holder(node: dict[str, Any], ref: str, base: str) -> tuple[str, HolderKind]:
    agents = [each for each in listed(node.get(f"{RESERVATION}.gereserveerdDoor")) if isinstance(each, dict)]
    types = [each for agent in agents for each in listed(agent.get("@type")) if isinstance(each, str)]
    kinds = [HOLDERS[each] for each in types if each in HOLDERS]
    names = [str(agent["@id"]) for agent in agents if not str(agent.get("@id", "_:")).startswith("_:")]
    return _name(names[0], base) if names else ref, kinds[0] if kinds else "association"


def _activity(node: dict[str, Any]) -> dict[str, str]:
    activity = next(iter(listed(node.get(f"{RESERVATION}.gereserveerdVoor"))), None)
    kinds = _ids(activity, "Activiteit.type") if isinstance(activity, dict) else []
    return {"activity": as_ref(last_part(kinds[0]))} if kinds else {}


def write_oslo(entries: Iterable[Entry], base: str) -> dict[str, Any]:
    """The same reservations as a document. `base` is put before refs and holders, to make addresses of them."""
    graph: list[dict[str, Any]] = []
    for entry in entries:
        holder_type = TYPE_OF[entry.holder_kind]
        node: dict[str, Any] = {
            "@id": base + quote(entry.ref, safe=""),
            "@type": RESERVATION,
            f"{RESERVATION}.infrastructuur": [{"@id": room} for room in entry.rooms],
            f"{RESERVATION}.status": [{"@id": STATUS + STATUS_OF[entry.state]}],
            f"{RESERVATION}.periode": [_period(each) for each in entry.windows],
            f"{RESERVATION}.gereserveerdDoor": {"@id": base + quote(entry.holder, safe=""), "@type": holder_type},
        }
        if "activity" in entry.correlation:
            kind = {"@id": ACTIVITY + entry.correlation["activity"]}
            node[f"{RESERVATION}.gereserveerdVoor"] = {"@type": "Activiteit", "Activiteit.type": kind}
        graph.append(node)
    xsd = {"XSD.DateTime": "http://www.w3.org/2001/XMLSchema#DateTime"}
    return {"@context": [CONTEXT, xsd], "@graph": graph}


def _period(booked: Window) -> dict[str, Any]:
    def moment(at: int) -> dict[str, Any]:
        text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"@type": "Moment", "Moment.inXSDDatumTijd": {"@value": text, "@type": "XSD.DateTime"}}

    return {"@type": "Periode", "Periode.van": moment(booked[0]), "Periode.tot": moment(booked[1])}


def listed(value: object) -> Sequence[Any]:
    """JSON-LD writes one value with or without brackets."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _ids(node: dict[str, Any], term: str) -> list[str]:
    found = (each.get("@id") if isinstance(each, dict) else each for each in listed(node.get(term)))
    return [each for each in found if isinstance(each, str) and each]


def text_of(value: object) -> str | None:
    """A text, written plain or as a value object."""
    found = value.get("@value") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None


def absolute(name: str, base: str) -> str:
    """The address of a node; a blank one gets `base` before its name."""
    return base + name.removeprefix("_:") if name.startswith("_:") else name


def _name(identifier: str, base: str) -> str:
    """The ref or holder behind an address: what `write_oslo` made of it below `base`, else its last part."""
    if base and identifier.startswith(base) and re.fullmatch(WRITTEN, identifier.removeprefix(base)):
        return unquote(identifier.removeprefix(base))
    return as_ref(unquote(last_part(identifier)))


def last_part(name: str) -> str:
    """What stands behind the last separator of an address."""
    return re.split(r"[/#:]", name.rstrip("/#"))[-1] or name
