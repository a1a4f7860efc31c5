"""A table of reservations as CSV, for owners and services without a program that could call the API (R004-29).

    ref;room;date;start;end
    W-12;Feestzaal;17/07/2026;14:00;18:00

Comma, semicolon or tab; UTF-8 with or without mark, or Windows-1252. Times are the room's own; without times a day
means the room's opening hours. Several rows with one ref are one reservation with several windows. A row that cannot be
read is named with the reason, the others are applied; the file may be sent again as often as one likes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from controller.formats.code_list import Language, Window
from controller.formats.errors import Refused
from sync.hub.adapters.entry import (
    HOLDER_KINDS,
    LANGUAGES,
    STATES,
    Entry,
    HolderKind,
    Rejected,
    as_ref,
    kind_of,
    one_of,
    rejected,
    window,
)
from sync.hub.adapters.places import Places
from sync.hub.booking.reservations import Method
from sync.hub.issuing.issuer import GrantState

REQUIRED = ("ref", "room", "date")
OPTIONAL = ("start", "end", "end_date", "state", "category", "holder", "holder_kind", "language", "methods", "replaces")
COLUMNS = REQUIRED + OPTIONAL
ROWS_MAX = 5_000
ROOM_SEPARATOR = "|"
METHODS: dict[str, tuple[Method, ...]] = {"": ("pin", "qr"), "pin": ("pin",), "qr": ("qr",), "pin+qr": ("pin", "qr")}


@dataclass(frozen=True)
class _Row:
    number: int
    cells: dict[str, str]

    @property
    def where(self) -> str:
        return f"row {self.number}"


def read_csv(data: bytes, places: Places) -> list[Entry | Rejected]:
    """The entries of a file, in the order of its rows. Raises Refused `bad_file` when it is no such table at all; an
    unknown column stops the file, because it may hold just what must not come in."""
    by_ref: dict[str, list[_Row]] = {}
    for row in _rows(data):
        by_ref.setdefault(row.cells["ref"], []).append(row)
    items: list[Entry | Rejected] = []
    for ref, rows in by_ref.items():
        items += _reservation(ref, rows, places)
    return items


def _rows(data: bytes) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(_text(data), newline=""), delimiter=_delimiter(_text(data)), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        _check_header(header)
        for number, cells in enumerate(reader, 2):
            if number > ROWS_MAX + 1:
                raise Refused("bad_file", f"row {number}", f"at most {ROWS_MAX} rows in a file")
            if any(cell.strip() for cell in cells):
                padded = [*cells, *[""] * (len(header) - len(cells))]
                yield _Row(number, {name: cell.strip() for name, cell in zip(header, padded, strict=False)})
    except csv.Error as error:
        raise Refused("bad_file", f"line {reader.line_num}", f"no CSV: {error}") from None


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("windows-1252", "replace")


def _delimiter(text: str) -> str:
    header = text.partition("\n")[0]
    return max(";,\t", key=header.count)


def _check_header(header: list[str]) -> None:
    for name in REQUIRED:
        if name not in header:
            raise Refused("bad_file", "row 1", f"there is no column {name}; columns are {', '.join(COLUMNS)}")
    for name in header:
        if name not in COLUMNS:
            raise Refused("bad_file", "row 1", f"no such column: {name or '(without a name)'}; take it out")
        if header.count(name) > 1:
            raise Refused("bad_file", "row 1", f"two columns {name}")


def _reservation(ref: str, rows: list[_Row], places: Places) -> Iterator[Entry | Rejected]:
    """One entry from all rows of a ref; if one of them is bad, none of them counts."""
    entry: Entry | None = None
    refusals: list[Rejected] = []
    for row in rows:
        try:
            found = _entry(row, places)
            if entry is not None and replace(found, where=entry.where, windows=entry.windows) != entry:
                raise Refused("bad_request", "ref", f"says something else than {entry.where} with the same ref")
            entry = found if entry is None else replace(entry, windows=entry.windows + found.windows)
        except Refused as refused:
            refusals.append(rejected(row.where, ref or None, refused))
    if refusals:
        blamed = {refusal.where for refusal in refusals}
        text = "left out with the other row of this reservation"
        yield from refusals
        yield from (Rejected(row.where, ref, "bad_request", text) for row in rows if row.where not in blamed)
    elif entry is not None:
        yield replace(entry, windows=tuple(sorted(entry.windows)))


def _entry(row: _Row, places: Places) -> Entry:
    cells = row.cells
    ref = cells["ref"]
    if not ref or as_ref(ref) != ref:
        raise Refused("bad_request", "ref", "a number or name without spaces that says nothing about a person")
    state = cast(GrantState, one_of(cells.get("state") or "active", STATES, "state"))
    names = cells["room"].split(ROOM_SEPARATOR) if state != "cancelled" else []
    rooms = tuple(places.room(name.strip()) for name in names)
    methods = METHODS.get(cells.get("methods", ""))
    if methods is None:
        raise Refused("bad_request", "methods", "is one of pin, qr, pin+qr")
    kind = kind_of(cells.get("category") or "renter")
    holder_kind = "association" if kind == "renter" else "staff"
    return Entry(
        where=row.where,
        ref=ref,
        state=state,
        rooms=rooms,
        windows=_windows(cells, rooms, places) if rooms else (),
        holder=cells.get("holder") or ref,
        holder_kind=cast(HolderKind, one_of(cells.get("holder_kind") or holder_kind, HOLDER_KINDS, "holder_kind")),
        kind=kind,
        language=cast(Language, one_of(cells.get("language") or "nl", LANGUAGES, "language")),
        methods=methods,
        replaces=cells.get("replaces") or None,
    )


def _windows(cells: dict[str, str], rooms: tuple[str, ...], places: Places) -> tuple[Window, ...]:
    first = _day(cells["date"], "date")
    last = _day(cells["end_date"], "end_date") if cells.get("end_date") else first
    start, end = cells.get("start", ""), cells.get("end", "")
    if not start and not end:
        days = [first + timedelta(days=ahead) for ahead in range(min((last - first).days, ROWS_MAX) + 1)]
        return tuple(places.days(rooms, days))
    if not start or not end:
        raise Refused("window_required", "start, end", "give both, or neither for the room's opening hours")
    zone = ZoneInfo(places.zone(rooms[0]))
    if any(places.zone(room) != zone.key for room in rooms):
        raise Refused("bad_request", "room", "rooms in two time zones; give them a row each, with refs of their own")
    return (window(_local(first, start, "start", zone), _local(last, end, "end", zone)),)


def _day(text: str, where: str) -> date:
    for form in ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    raise Refused("bad_request", where, "a date as 17/07/2026 or 2026-07-17")


def _local(day: date, text: str, where: str, zone: ZoneInfo) -> datetime:
    """A wall clock time. One that a clock change skips or shows twice is refused: a person has to say what is meant."""
    try:
        wall = datetime.combine(day, time()) + timedelta(days=1) if text == "24:00" else None
        wall = wall or datetime.combine(day, time.fromisoformat(text.rjust(5, "0")))
    except (ValueError, OverflowError):  # the other: midnight after the last day that there is
        raise Refused("bad_request", where, "a time as 14:00") from None
    if wall.tzinfo is not None:
        raise Refused("bad_request", where, "the room's own time, without offset")
    early, late = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        raise Refused("bad_request", where, f"the clocks change around {text} on {day}; take another time")
    return early
