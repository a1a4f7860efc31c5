"""Figures per room and month that name nobody (R000-13): use, no-show, refusals by reason, and how long a record takes
from the door to the hub. Kept longer than the log.

    counted(session, ["2026-07"], log_store)      # work it out from visits and records, while they are still there
    keep(session, ["2026-07"], log_store)         # … and store it
    figures(session, months=["2026-07"])          # what may be shown: counts under 5 are None

A small number can be somebody. So a count under 5, zero included, is not shown, and neither is a total from which one
that is not shown could be worked out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from sync.hub.records.log_store import LogStore, StoredRecord
from sync.hub.records.visits import Visit
from sync.hub.store.database import Base
from sync.hub.store.models import Door, Room

SHOWN_FROM = 5
VISITS, USED, NO_SHOW, REFUSED = "visits", "used", "no_show", "refused."
RECORDS, LATENCY = "records", "latency_s."
"""`records` counts those whose latency is known; `latency_s.p50` and `latency_s.p95` are seconds."""
TRUSTED = frozenset({"synced", "holdover"})
PERCENTILES = (50, 95)
DAY_S = 86_400

Counts = Counter[tuple[str, str, str]]
"""By room, month and name of the figure."""


class Aggregate(Base):
    """`month` is `YYYY-MM` in the room's zone; `name` a figure: `used`, `no_show`, `refused.<reason>`, `records`,
    `latency_s.p50`, `latency_s.p95`."""

    __tablename__ = "aggregates"
    room: Mapped[str] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


@dataclass(frozen=True)
class Figure:
    """One figure; `count` None where it is too small to be shown."""

    room: str
    month: str
    name: str
    count: int | None


def keep(session: Session, months: Collection[str], counts: Counts) -> None:
    """Store what was counted of these months, in place of what was stored of them before."""
    session.execute(delete(Aggregate).where(Aggregate.month.in_(months)))
    session.add_all(
        Aggregate(room=room, month=month, name=name, count=n)
        for (room, month, name), n in counts.items()
        if month in months
    )
    session.flush()


def counted(
    session: Session, months: Collection[str], log_store: LogStore, only: Collection[str] | None = None
) -> Counts:
    """These months from the visits and the records that fall in them, of the rooms in `only` (None: of all)."""
    rooms = {room.id: room for room in session.scalars(select(Room)) if only is None or room.id in only}
    zones = {room.id: ZoneInfo(room.time_zone) for room in rooms.values()}
    counts: Counts = Counter()
    begin, end = span(min(months))[0], span(max(months))[1]
    for visit in session.scalars(select(Visit).where(Visit.revision > 0, Visit.start >= begin, Visit.start < end)):
        if visit.room in rooms and (month := month_of(visit.start, zones[visit.room])) in months:
            counts[visit.room, month, USED if visit.first_in is not None else NO_SHOW] += 1
    behind = _rooms_of_doors(session, rooms.values())
    waits: dict[tuple[str, str], Counter[int]] = {}
    for record in _records(log_store, months):
        event = record.event
        for room in behind.get(event.door, ()):
            if (month := month_of(event.at // 1000, zones[room])) not in months:
                continue
            if event.kind == "refused":
                # A door notes what repeats once a minute, with how often.
                times = event.detail.get("count", 1)
                counts[room, month, f"{REFUSED}{event.reason}"] += times if isinstance(times, int) else 1
            if record.received is not None and event.clock in TRUSTED:
                waits.setdefault((room, month), Counter())[max(0, record.received - event.at // 1000)] += 1
    for (room, month), seconds in waits.items():
        counts[room, month, RECORDS] = seconds.total()
        for percent in PERCENTILES:
            counts[room, month, f"{LATENCY}p{percent}"] = _percentile(seconds, percent)
    return counts


def span(month: str) -> tuple[int, int]:
    """UTC seconds that hold the whole of a month, in whatever zone."""
    first = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    last = (first + timedelta(days=32)).replace(day=1)
    return int(first.timestamp()) - DAY_S, int(last.timestamp()) + DAY_S


def figures(session: Session, months: Collection[str], rooms: Collection[str] | None = None) -> list[Figure]:
    """What may be shown of these months, per room; `visits` is the total of used and no-show."""
    query = select(Aggregate).where(Aggregate.month.in_(months))
    if rooms is not None:
        query = query.where(Aggregate.room.in_(rooms))
    return shown(Counter({(row.room, row.month, row.name): row.count for row in session.scalars(query)}))


def shown(counts: Counts) -> list[Figure]:
    """What may be shown of these counts."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for (room, month, name), count in sorted(counts.items()):
        found.setdefault((room, month), {USED: 0, NO_SHOW: 0})[name] = count
    return [
        Figure(room, month, name, count)
        for (room, month), counts in found.items()
        for name, count in _shown(counts).items()
    ]


def month_of(at: int, zone: ZoneInfo) -> str:
    """The month in which an instant (UTC seconds) falls."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone).strftime("%Y-%m")


def _records(log_store: LogStore, months: Collection[str]) -> Iterator[StoredRecord]:
    """Every record that may fall in these months, once."""
    spans = [span(month) for month in sorted(months)]
    begin = 0
    for start, until in spans:
        begin = max(begin, start)
        yield from log_store.during(begin * 1000, until * 1000, None)
        begin = until


def _percentile(seconds: Counter[int], percent: int) -> int:
    """The smallest value that so many percent do not exceed."""
    rank, passed = -(-seconds.total() * percent // 100), 0
    for value in sorted(seconds):
        passed += seconds[value]
        if passed >= rank:
            return value
    raise ValueError("nothing was counted")


def _shown(counts: dict[str, int]) -> dict[str, int | None]:
    shown: dict[str, int | None] = {n: count if count >= SHOWN_FROM else None for n, count in sorted(counts.items())}
    parts = [shown[USED], shown[NO_SHOW]]
    shown[VISITS] = None if None in parts else sum(part or 0 for part in parts)
    few = counts.get(RECORDS, 0) < SHOWN_FROM
    return shown | {name: None if few else count for name, count in counts.items() if name.startswith(LATENCY)}


def _rooms_of_doors(session: Session, rooms: Iterable[Room]) -> dict[str, list[str]]:
    by_group: dict[str, list[str]] = {}
    for room in rooms:
        by_group.setdefault(room.door_group, []).append(room.id)
    return {door.id: by_group.get(door.door_group, []) for door in session.scalars(select(Door))}
