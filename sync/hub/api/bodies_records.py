"""The JSON bodies of what is read from the records: usage facts, figures, subject access, exports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sync.hub.api.bodies import REF, Body, Reference, Written
from sync.hub.audit.aggregates import Figure
from sync.hub.audit.client_records import Wanted
from sync.hub.audit.export import FOREVER_MS
from sync.hub.booking.personal_data import refuse_personal_data
from sync.hub.instants import instant, maybe_instant
from sync.hub.records.visits import Attribution, UsageFacts

DOOR = r"^[a-z0-9-]{1,40}$"
LegalBasis = Literal[
    "consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"
]


class VisitAnswer(BaseModel):
    """What a booked time in one room came to. `attribution` says how the last OUT is theirs: signed out (`explicit`),
    the only one who could be inside (`inferred`), or merely the last one out of that door (`none`). `held_open` counts
    how often the door was left open; `certain` is false when the door's clock was not trusted. `revision` is that of
    `visit.ended`: 0 while the booked time is not over, and higher when a late record has changed the facts."""

    id: Annotated[str, Field(examples=["v-3f9a0c11d2e45b67"])]
    revision: int
    room: str
    start: Annotated[str, Field(examples=["2026-07-17T12:00:00Z"])]
    until: Annotated[str, Field(examples=["2026-07-17T16:00:00Z"])]
    used: bool
    first_in: Annotated[str | None, Field(examples=["2026-07-17T11:51:12Z"])]
    last_out: Annotated[str | None, Field(examples=["2026-07-17T16:05:40Z"])]
    attribution: Attribution | None
    minutes_early: int
    minutes_late: int
    entries: int
    held_open: int
    certain: bool


class UsageAnswer(BaseModel):
    """The visits of a reservation, oldest first. A booked time is among them once somebody has come or half an hour
    after it is over."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "visits": [
                        {
                            "id": "v-3f9a0c11d2e45b67",
                            "revision": 1,
                            "room": "https://data.mortsel.example/id/infrastructuur/INF001",
                            "start": "2026-07-17T12:00:00Z",
                            "until": "2026-07-17T16:00:00Z",
                            "used": True,
                            "first_in": "2026-07-17T11:51:12Z",
                            "last_out": "2026-07-17T16:05:40Z",
                            "attribution": "explicit",
                            "minutes_early": 8,
                            "minutes_late": 5,
                            "entries": 14,
                            "held_open": 0,
                            "certain": True,
                        }
                    ]
                }
            ]
        }
    )

    visits: list[VisitAnswer]


class FigureAnswer(BaseModel):
    """One figure: `used`, `no_show`, `visits`, `refused.<reason>`, `records`, `latency_s.p50`, `latency_s.p95`. `count`
    is null where it is too small to be shown."""

    room: str
    name: Annotated[str, Field(examples=["used", "refused.too_early"])]
    count: Annotated[int | None, Field(examples=[41, None])]


class FiguresAnswer(BaseModel):
    """The figures of a month."""

    month: Annotated[str, Field(examples=["2026-07"])]
    figures: list[FigureAnswer]


class SubjectAnswer(BaseModel):
    """All that is held about a reservation, with the day each of it is forgotten, and who has read it."""

    about: Annotated[str, Field(examples=["booking/MOR-2026-004711"])]
    reservations: list[dict[str, Any]]
    visits: list[dict[str, Any]]
    records: list[dict[str, Any]]
    read_by: list[dict[str, Any]]


class ExportBody(Body):
    """Evidence for a purpose, on a legal basis (Article 6(1) GDPR): of a `door` from `from` until `until`, or of what
    one of the client's own reservations did (`reservation`). `log` chooses where there are several."""

    model_config = ConfigDict(
        populate_by_name=True,
        json_schema_extra={
            "examples": [
                {
                    "purpose": "complaint 2026/17",
                    "legal_basis": "public_task",
                    "door": "hall-1",
                    "from": "2026-07-17T20:00:00+02:00",
                    "until": "2026-07-17T21:00:00+02:00",
                },
                {"purpose": "damage 2026/4", "legal_basis": "contract", "reservation": "MOR-2026-004711"},
            ]
        },
    )

    purpose: Reference
    legal_basis: LegalBasis
    door: Annotated[str, Field(pattern=DOOR)] | None = None
    log: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    reservation: Annotated[str, Field(pattern=REF)] | None = None
    from_: Annotated[Written | None, Field(alias="from")] = None
    until: Written | None = None

    def model_post_init(self, _context: Any) -> None:
        if self.reservation is None and None in (self.door, self.from_, self.until):
            raise ValueError("a reservation, or a door with from and until")
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            raise ValueError("a period ends after it starts")

    def wanted(self) -> Wanted:
        """The same as the hub understands it. Raises Refused `personal_data_refused`."""
        refuse_personal_data([("purpose", self.purpose)])
        return Wanted(
            purpose=self.purpose,
            basis=self.legal_basis,
            door=self.door,
            log=self.log,
            reservation=self.reservation,
            from_ms=0 if self.from_ is None else int(self.from_.timestamp() * 1000),
            until_ms=FOREVER_MS if self.until is None else int(self.until.timestamp() * 1000),
        )


def usage_answer(visits: list[UsageFacts]) -> UsageAnswer:
    """Usage facts as JSON."""
    return UsageAnswer(
        visits=[
            VisitAnswer(
                id=each.id,
                revision=each.revision,
                room=each.room,
                start=instant(each.start),
                until=instant(each.until),
                used=each.used,
                first_in=maybe_instant(each.first_in),
                last_out=maybe_instant(each.last_out),
                attribution=each.attribution,
                minutes_early=each.minutes_early,
                minutes_late=each.minutes_late,
                entries=each.entries,
                held_open=each.held_open,
                certain=each.certain,
            )
            for each in visits
        ]
    )


def figures_answer(month: str, figures: list[Figure]) -> FiguresAnswer:
    """Figures as JSON."""
    shown = [FigureAnswer(room=each.room, name=each.name, count=each.count) for each in figures]
    return FiguresAnswer(month=month, figures=shown)
