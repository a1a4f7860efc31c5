"""The JSON bodies of the API, as OpenAPI shows them, and their way to and from the hub's own types.

Nothing optional is guessed: an unknown member is refused, an instant without an offset is refused, and no member exists
that could hold a name, an address or a PIN of the caller's choice.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from controller.formats.code_list import Kind, Language
from sync.hub.issuer import GrantState
from sync.hub.personal_data import refuse_personal_data
from sync.hub.reservations import MAX_WINDOWS, Method, Wish
from sync.hub.service import Answer

REF = r"^[A-Za-z0-9_.:~-]{1,100}$"
_DURATION = re.compile(r"P(?:(\d{1,3})D)?(?:T(?:(\d{1,3})H)?(?:(\d{1,3})M)?)?")
_UNITS_S = (86_400, 3_600, 60)


def _whole_minute(instant: datetime) -> datetime:
    if instant.second or instant.microsecond:
        raise ValueError("windows start and end on whole minutes")
    if not 2024 <= instant.year < 2100:
        raise ValueError("not an instant of this century")
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


Instant = Annotated[AwareDatetime, AfterValidator(_whole_minute)]
Reference = Annotated[str, Field(pattern=r"^[!-~]([ -~]{0,98}[!-~])?$")]
RoomId = Annotated[str, Field(pattern=r"^[!-~]{1,200}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Window(_Body):
    """Booked time, with offset, whole minutes, `start < end`; margins are added by the hub."""

    start: Instant
    end: Instant

    def model_post_init(self, _context: Any) -> None:
        if self.start >= self.end:
            raise ValueError("a window ends after it starts")


class Holder(_Body):
    """Who the reservation is for: a reference that means nothing to the hub."""

    ref: Reference
    kind: Literal["person", "association", "company", "staff"]


class ReservationBody(_Body):
    """A reservation. `revision` rises with every change; `reveal` is how long before the first window the codes may
    be shown (`P2D`), at once when null or zero; `replaces` is a reservation whose place and codes this one takes."""

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
    holder: Holder
    methods: Annotated[tuple[Method, ...], Field(min_length=1, max_length=2)] = ("pin", "qr")
    reveal: Annotated[str, AfterValidator(_duration)] | None = None
    language: Language = "nl"
    correlation: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")], Reference], Field(max_length=10)] = {}
    replaces: Annotated[str, Field(pattern=REF)] | None = None

    def wish(self, ref: str) -> Wish:
        """The same as the hub understands it. Raises Refused `personal_data_refused`."""
        texts = [("ref", ref), ("holder.ref", self.holder.ref), ("replaces", self.replaces or "")]
        refuse_personal_data(texts + [(f"correlation.{name}", text) for name, text in self.correlation.items()])
        reveal_s = duration_s(self.reveal) if self.reveal is not None else 0
        return Wish(
            revision=self.revision,
            state=self.state,
            kind=self.category,
            rooms=self.rooms,
            windows=tuple((int(each.start.timestamp()), int(each.end.timestamp())) for each in self.windows),
            holder={"ref": self.holder.ref, "kind": self.holder.kind},
            methods=self.methods,
            reveal_s=reveal_s or None,
            language=self.language,
            correlation=dict(self.correlation),
            replaces=self.replaces,
        )


class OpeningAnswer(BaseModel):
    """When a door opens on the way to a room; `clipped` when a neighbouring reservation cost it some margin."""

    model_config = ConfigDict(populate_by_name=True)

    room: str
    door: str
    from_: Annotated[str, Field(alias="from", examples=["2026-07-17T11:45:00Z"])]
    until: Annotated[str, Field(examples=["2026-07-17T16:15:00Z"])]
    clipped: bool


class CredentialAnswer(BaseModel):
    """A code. `pin` or `qr` (the text of the QR code) is given to the owner once `reveal_at` has come."""

    id: str
    reveal_at: Annotated[str, Field(examples=["2026-07-15T12:00:00Z"])]
    pin: str | None
    qr: str | None


class DeliveryAnswer(BaseModel):
    """Whether the door has reported a list that holds this revision."""

    door: str
    status: Literal["queued", "applied"]


class ReservationAnswer(BaseModel):
    """What holds now."""

    grant: str
    revision: int
    state: GrantState
    openings: list[OpeningAnswer]
    credentials: list[CredentialAnswer]
    delivery: list[DeliveryAnswer]


class EventAnswer(BaseModel):
    """One record of a door. `id` never changes; `reservation` is given for the caller's own reservations only."""

    id: str
    cursor: int
    type: Annotated[str, Field(examples=["access.granted"])]
    time: str
    door: str
    clock: str
    reason: str | None
    grant: str | None
    credential: str | None
    reservation: str | None
    detail: dict[str, str | int | bool | None]


class EventsAnswer(BaseModel):
    """A page; go on with `after=next`."""

    events: list[EventAnswer]
    next: int


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


def instant(seconds: float) -> str:
    """RFC 3339 in UTC, to the second or millisecond."""
    spec = "seconds" if seconds == int(seconds) else "milliseconds"
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=spec).replace("+00:00", "Z")


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
        credentials=[
            CredentialAnswer(id=each.id, reveal_at=instant(each.reveal_at), pin=each.pin, qr=each.qr)
            for each in answer.credentials
        ],
        delivery=[DeliveryAnswer(door=door, status=status) for door, status in answer.delivery.items()],
    )
