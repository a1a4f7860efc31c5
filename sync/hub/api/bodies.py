"""The JSON bodies of the API, as OpenAPI shows them, and their way to and from the hub's own types.

Nothing optional is guessed: an unknown member is refused, an instant without an offset is refused, and no member exists
that could hold a name, an address or a PIN of the caller's choice.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from controller.formats.code_list import Kind, Language
from sync.hub.booking.answers import Answer, Code, HandedOver
from sync.hub.booking.occurrences import MAX_WINDOWS, Days, Hours, Pattern, Series, Weekday
from sync.hub.booking.personal_data import refuse_person, refuse_personal_data
from sync.hub.booking.reservations import Method, Wish
from sync.hub.instants import instant, maybe_instant
from sync.hub.issuing.issuer import GrantState

REF = r"^[A-Za-z0-9_.:~-]{1,100}$"
FORMS = {"pin": ("sheet.pdf", "sheet.html", "sheet.txt", "sms.txt"), "qr": ("sheet.pdf", "qr.png", "qr.svg")}
"""In which forms a code can be had, by its method (artefacts/routes.py)."""

_DURATION = re.compile(r"P(?:([0-9]{1,3})D)?(?:T(?:([0-9]{1,3})H)?(?:([0-9]{1,3})M)?)?")
_UNITS_S = (86_400, 3_600, 60)
_DATE_AND_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")


def _written_out(value: object) -> object:
    # pydantic also takes seconds since 1970, as a number or in digits; the contract knows RFC 3339 only.
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise ValueError("an instant like 2026-07-17T14:00:00+02:00 is wanted")


def _of_our_time(instant: datetime) -> datetime:
    if not 2024 <= instant.year < 2100:
        raise ValueError("not an instant from 2024 to 2099")
    return instant


def _whole_minute(instant: datetime) -> datetime:
    if instant.second or instant.microsecond:
        raise ValueError("windows start and end on whole minutes")
    return instant


def _duration(text: str) -> str:
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        raise ValueError("days, hours and minutes as in P2D or PT12H")
    return text


def duration_s(text: str) -> int:
    """Seconds of an ISO 8601 duration in days, hours and minutes."""
    match = _DURATION.fullmatch(text)
    counts = match.groups() if match else ()
    return sum(int(count or 0) * unit for count, unit in zip(counts, _UNITS_S, strict=False))


Written = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Moment = Annotated[Written, AfterValidator(_of_our_time)]
Instant = Annotated[Moment, AfterValidator(_whole_minute)]
Reference = Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,98}[!-~])?$")]
HolderRef = Annotated[Reference, WithJsonSchema({"type": "string", "pattern": r"^[!-~]{1,100}$"})]
"""One word; another is told that it looks like personal data (`personal_data.py`), not that it fits no pattern."""
RoomId = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
ClockHours = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class Body(BaseModel):
    """What comes in: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Window(Body):
    """Booked time, with offset, whole minutes, `start < end`; margins are added by the hub."""

    start: Instant
    end: Instant

    def model_post_init(self, _context: Any) -> None:
        if self.start >= self.end:
            raise ValueError("a window ends after it starts")


class Holder(Body):
    """Who the reservation is for: a reference that means nothing to the hub."""

    ref: HolderRef
    kind: Literal["person", "association", "company", "staff"]


class SeriesBody(Body):
    """Repeated windows: the first one in the room's own time, without offset, and an RRULE (RFC 5545) with COUNT or
    UNTIL; `exdates` are local dates left out. 20:00 stays 20:00 over clock changes."""

    start: Annotated[str, Field(max_length=16, examples=["2026-09-07T20:00"])]
    end: Annotated[str, Field(max_length=16, examples=["2026-09-07T22:00"])]
    rrule: Annotated[str, Field(max_length=300, examples=["FREQ=WEEKLY;COUNT=30"])]
    exdates: Annotated[tuple[Day, ...], Field(max_length=MAX_WINDOWS, examples=[["2026-12-28"]])] = ()

    def pattern(self) -> Series:
        """The same as the hub understands it."""
        return Series(self.start, self.end, self.rrule, self.exdates)


class LongTermBody(Body):
    """A rental of months: local dates, both included, at weekly hours (all day and night without). Its code changes at
    least every 90 days; old and new overlap by 7 days."""

    start: Annotated[Day, Field(examples=["2026-09-01"])]
    end: Annotated[Day, Field(examples=["2027-06-30"])]
    hours: Annotated[
        dict[Weekday, Annotated[tuple[ClockHours, ...], Field(max_length=8)]],
        Field(examples=[{"mon": ["08:00-18:00"]}]),
    ] = {}

    def pattern(self) -> Hours:
        """The same as the hub understands it."""
        weekly = {day: tuple(tuple(each.split("-")) for each in hours) for day, hours in self.hours.items()}
        return Hours(self.start, self.end, weekly)


class ReservationBody(Body):
    """A reservation. `revision` rises with every change. Booked time is `windows` (instants), `series`, `dates` (the
    room's opening hours of these days) and `long_term`, together at most 400 windows (750 with `long_term`). `reveal`
    is how long before the first window the codes may be shown (`P2D`; `PT0M` at once), as the room says when null.
    `replaces` is a reservation whose place and codes this one takes; reservations that name the same `share_group` may
    hold a room together; `max_uses` bounds the entries."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "revision": 3,
                    "state": "active",
                    "category": "renter",
                    "rooms": ["https://data.mortsel.example/id/infrastructuur/INF001"],
                    "windows": [{"start": "2026-07-17T14:00:00+02:00", "end": "2026-07-17T18:00:00+02:00"}],
                    "holder": {"ref": "h_7f3c9a", "kind": "association"},
                    "methods": ["pin", "qr"],
                    "reveal": "P2D",
                    "language": "nl",
                    "correlation": {"dossier": "D-2026-1234"},
                    "replaces": None,
                }
            ]
        }
    )

    revision: Annotated[int, Field(ge=1, lt=1 << 53, strict=True)]
    state: GrantState
    category: Kind = "renter"
    rooms: Annotated[tuple[RoomId, ...], Field(max_length=50)] = ()
    windows: Annotated[tuple[Window, ...], Field(max_length=MAX_WINDOWS)] = ()
    series: Annotated[tuple[SeriesBody, ...], Field(max_length=20)] = ()
    dates: Annotated[tuple[Day, ...], Field(max_length=MAX_WINDOWS)] = ()
    long_term: LongTermBody | None = None
    holder: Holder
    methods: Annotated[tuple[Method, ...], Field(min_length=1, max_length=2)] = ("pin", "qr")
    reveal: Annotated[str, AfterValidator(_duration)] | None = None
    language: Language = "nl"
    correlation: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")], Reference], Field(max_length=10)] = {}
    replaces: Annotated[str, Field(pattern=REF)] | None = None
    share_group: Reference | None = None
    max_uses: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] | None = None

    def wish(self, ref: str) -> Wish:
        """The same as the hub understands it. Raises Refused `personal_data_refused`."""
        refuse_person("holder.ref", self.holder.ref)
        texts = [("ref", ref), ("replaces", self.replaces or ""), ("share_group", self.share_group or "")]
        refuse_personal_data(texts + [(f"correlation.{name}", text) for name, text in self.correlation.items()])
        return Wish(
            revision=self.revision,
            state=self.state,
            kind=self.category,
            rooms=self.rooms,
            windows=tuple((int(each.start.timestamp()), int(each.end.timestamp())) for each in self.windows),
            patterns=self._patterns(),
            holder={"ref": self.holder.ref, "kind": self.holder.kind},
            methods=self.methods,
            reveal_s=duration_s(self.reveal) if self.reveal is not None else None,
            language=self.language,
            correlation=dict(self.correlation),
            replaces=self.replaces,
            share_group=self.share_group,
            max_uses=self.max_uses,
        )

    def _patterns(self) -> tuple[Pattern, ...]:
        patterns: list[Pattern] = [each.pattern() for each in self.series]
        if self.dates:
            patterns.append(Days(self.dates))
        if self.long_term is not None:
            patterns.append(self.long_term.pattern())
        return tuple(patterns)


class OpeningAnswer(BaseModel):
    """When a door opens on the way to a room; `clipped` when a neighbouring reservation cost it some margin."""

    model_config = ConfigDict(populate_by_name=True)

    room: str
    door: str
    from_: Annotated[str, Field(alias="from", examples=["2026-07-17T11:45:00Z"])]
    until: Annotated[str, Field(examples=["2026-07-17T16:15:00Z"])]
    clipped: bool


class CredentialAnswer(BaseModel):
    """A code. `pin` or `qr` (the text of the QR code) is given to the owner once `reveal_at` has come. `ends_at` is
    given for a code that has a successor; `holder` for a further person's; `links` lead to the code as its holder gets
    it, by form (sheet, message, picture), from `reveal_at` on. `duress` marks the PIN that staff give under threat: it
    opens like the other and raises `alarm.duress`; it is on no sheet, so hand it over apart."""

    id: str
    method: Method
    reveal_at: Annotated[str, Field(examples=["2026-07-15T12:00:00Z"])]
    pin: str | None
    qr: str | None
    ends_at: str | None
    holder: str | None
    duress: bool
    links: Annotated[
        dict[str, str], Field(examples=[{"sheet.pdf": "/v1/reservations/MOR-1/credentials/c-9a/sheet.pdf"}])
    ]


class DeliveryAnswer(BaseModel):
    """Whether the door has reported a list that holds this revision. While it has not, what held before may still open
    it, at most until `live_until`. `opens_by` says which codes of this revision it takes already: a last-minute booking
    at a door without network opens by `qr`, so that is the code to give."""

    door: str
    status: Literal["queued", "applied"]
    opens_by: Annotated[list[Method], Field(examples=[["qr"], ["pin", "qr"]])]
    live_until: Annotated[str | None, Field(examples=[None, "2026-08-07T12:00:00Z"])]


class HandoverBody(Body):
    """How the codes of a reservation reached their holder, or failed to: by which channel and when, never where to."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"channel": "ebox", "at": "2026-07-15T12:00:05Z", "ok": True}]}
    )

    channel: Literal["ebox", "profile", "mail", "sms", "letter", "counter", "app", "other"]
    at: Moment
    ok: bool

    def told(self) -> HandedOver:
        """The same as the hub understands it."""
        return HandedOver(self.channel, int(self.at.timestamp()), self.ok)


class ReservationAnswer(BaseModel):
    """What holds now."""

    grant: str
    revision: int
    state: GrantState
    openings: list[OpeningAnswer]
    credentials: list[CredentialAnswer]
    delivery: list[DeliveryAnswer]
    handovers: list[HandoverBody]


class Problem(BaseModel):
    """An RFC 9457 problem. `code` is stable; `where` names the member; `reservation` comes with `overlap`."""

    type: Annotated[str, Field(examples=["urn:zaalsleutel:problem:overlap"])]
    title: str
    status: int
    code: str
    detail: str
    where: str | None = None
    reservation: str | None = None


class Health(BaseModel):
    """The API answers and its database does too."""

    status: Literal["ok"]


def reservation_answer(answer: Answer) -> ReservationAnswer:
    """The hub's answer as JSON."""
    return ReservationAnswer(
        grant=answer.grant,
        revision=answer.revision,
        state=answer.state,
        openings=[
            OpeningAnswer(
                room=each.room,
                door=each.door,
                from_=instant(each.start),
                until=instant(each.until),
                clipped=each.clipped,
            )
            for each in answer.openings
        ],
        credentials=[_credential(answer.ref, each) for each in answer.credentials],
        handovers=[_handover(each) for each in answer.handovers],
        delivery=[
            DeliveryAnswer(
                door=door,
                status=each.status,
                opens_by=list(each.opens_by),
                live_until=maybe_instant(each.live_until),
            )
            for door, each in answer.delivered.items()
        ],
    )


def _handover(told: HandedOver) -> HandoverBody:
    return HandoverBody.model_validate({"channel": told.channel, "at": instant(told.at), "ok": told.ok})


def _credential(ref: str, code: Code) -> CredentialAnswer:
    place = f"/v1/reservations/{ref}/credentials/{code.id}"
    return CredentialAnswer(
        id=code.id,
        method=code.method,
        reveal_at=instant(code.reveal_at),
        pin=code.pin,
        qr=code.qr,
        ends_at=maybe_instant(code.ends_at),
        holder=code.holder,
        duress=code.duress,
        links={} if code.duress else {form: f"{place}/{form}" for form in FORMS[code.method]},
    )
