"""What is said on the controller's sockets: one JSON object a line, its `type` first among equals.

A socket is a role. No message here opens the door: the camera can say "I read this", the agent can hand over what
the controller verifies itself, the display can look.

    camera.sock    -> CameraRead, CameraAlive
    camera_inside.sock -> the same, of the inner side
    sync.sock      -> Deliver, Link, UpdateIs   <- Hello, SendBatch, SendState, SendAnswer
                   -> enrolment_messages        <- enrolment_messages
    display.sock -> DisplayAlive                <- PublicState
    admin.sock     -> AskStatus                 <- Status
                   -> AskCommissioning          <- Commissioning
                   -> AskExplain                <- Explained
                   -> Findings                  <- Status
"""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, overload

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId, Id, Language, Seconds
from controller.formats.encoding import canonical, decode, whole
from controller.formats.enrolment import Broker, Certificate, HubPlace
from controller.formats.enrolment_messages import (
    AskRenewal,
    Enrolling,
    EnrolmentAnswer,
    EnrolmentFailed,
    FetchTrust,
    FoundTrust,
    SendEnrolment,
    SendRenewal,
)
from controller.formats.errors import Refused
from controller.formats.event import ClockState, CredentialKind, Sequence
from controller.formats.reasons import Reason
from controller.formats.state import Checks, UpdateState

M = TypeVar("M")


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    pass


class CameraRead(_Message, frozen=True, tag="read"):
    """The camera process read this text. Of a longer text only the start is sent: it is foreign anyway."""

    text: Annotated[str, Meta(max_length=300)]


class CameraAlive(_Message, frozen=True, tag="alive"):
    """Every few seconds while the camera delivers frames (`frames` since the last one; 0 = none came)."""

    frames: Annotated[int, Meta(ge=0, lt=1 << 53)]


class DisplayAlive(_Message, frozen=True, tag="alive"):
    """Every few seconds while the display process lives; `pages` = how many browsers show its page just now."""

    pages: Annotated[int, Meta(ge=0, lt=1 << 53)]


class Deliver(_Message, frozen=True, tag="deliver"):
    """An envelope from the hub, unopened. The controller verifies it; the agent could not."""

    kind: Literal["trust", "list", "receipt", "ask", "command"]
    body: str


class Link(_Message, frozen=True, tag="link"):
    """Whether the agent has a session with the broker."""

    up: bool


class UpdateIs(_Message, frozen=True, tag="update"):
    """How far the update is that was offered to this unit; none: nothing is on offer."""

    update: UpdateState | None


class Hello(_Message, frozen=True, tag="hello"):
    """First line to the agent: which door this is and which CAs (PEM) to believe; after an enrolment by QR also where
    hub and broker are, and the certificate (PEM) the hub gave the agent then."""

    door: DoorId
    authorities: tuple[str, ...]
    hub: HubPlace | None = None
    broker: Broker | None = None
    certificate: Certificate | None = None


class SendBatch(_Message, frozen=True, tag="batch"):
    """The one batch in flight; replaces any earlier one. `body` is a `Batch` as text, `last` its last record."""

    last: Sequence
    body: str


class SendAnswer(_Message, frozen=True, tag="answer"):
    """The door's signed answer to an ask, to be published once, now or never."""

    body: str


class SendState(_Message, frozen=True, tag="state"):
    """The door's signed state report, to be kept at the broker; replaces any earlier one."""

    body: str


GuideStep = Literal[
    "keys", "qr", "qr_seated", "qr_inside", "relay", "exit_button", "leaf", "keypad_mm", "camera_mm", "corner_mm",
    "floor", "free_exit", "escape_route", "locked_unpowered", "fire_cuts_lock", "cylinder", "notice", "sheet",
    "passed", "failed", "abandoned",
]  # fmt: skip


class Guide(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is asked of whoever brings the door into service: the step's word and kind, keys still to be heard, figure
    typed so far, the step's place among `of`. When it is over the step is `passed`, `failed` or `abandoned`."""

    step: GuideStep
    kind: str
    left: str
    typed: str
    place: int
    of: int


class PublicState(_Message, frozen=True, tag="public"):
    """What anybody standing at the door may know. `shown` is the current answer, `shown_at` the UTC second it was given
    (two equal answers differ in it); `occupied_until` the end of the renters' windows that touch now, null while the
    room is free; `occupied_from` when the next one starts; `bookings` false while the door knows neither (no list, no
    trusted time); `turns` how often a keypad asked for the next language; `room`, `time_zone` and `leave` come from the
    signed list. `incident` is a refusal's number to read out; `guide` is there while staff bring the door into service.
    Nothing in here depends on what a refused code was, beyond `reason` and `opens_at`."""

    door: DoorId
    at: int
    languages: tuple[Language, ...]
    help: str
    room: str
    time_zone: str
    leave: dict[Language, str]
    occupied_until: Seconds | None
    occupied_from: Seconds | None
    shown: str
    shown_at: Seconds
    reason: str | None
    opens_at: Seconds | None
    incident: str | None
    digits: int
    wait_s: int | None
    faults: tuple[str, ...]
    bookings: bool = True
    turns: int = 0
    enrolment: Enrolling | None = None
    guide: Guide | None = None


class AskStatus(_Message, frozen=True, tag="status"):
    """Asks for the unit's `Status`."""


class Status(_Message, frozen=True, tag="status"):
    """Everything staff want to know of a unit; no secrets, no grants."""

    door: DoorId
    at: int
    clock: ClockState
    list_version: int | None
    list_hash: str | None
    valid_until: Seconds | None
    grants: int
    trust_version: int
    log: str
    seq: int
    receipt_seq: int
    unsent: int
    posture: str
    tries: int
    inside: int
    faults: tuple[str, ...]
    linked: bool
    released: bool
    in_service: bool = False
    leaf_open: bool | None = None


class AskCommissioning(_Message, frozen=True, tag="commission"):
    """Staff at the terminal bring the door into service: begin, press a keypad's symbol, give up, or only look. The
    relay clicks for it only while the door is not in service, or staff began at the keypad with their own code."""

    do: Literal["begin", "press", "abandon", "look"]
    symbol: Annotated[str, Meta(pattern=whole(r"[0-9#*]"))] | None = None


class Commissioning(_Message, frozen=True, tag="commissioning"):
    """How far it is: `guide` while it runs and shortly after, `answers` and `short` of what was answered so far."""

    in_service: bool
    guide: Guide | None
    answers: dict[str, str | int]
    short: tuple[str, ...]


class AskExplain(_Message, frozen=True, tag="explain"):
    """Asks what a grant's own credentials would be answered just now. Nothing comes of it: no record, no try, no
    answer at the door."""

    grant: Id


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The verdict on one kind of credential. `opens_at` is there where somebody at the door might be told."""

    credential: CredentialKind | None
    reason: Reason
    opens_at: Seconds | None


class Explained(_Message, frozen=True, tag="explained"):
    """One verdict for each kind of credential the grant has; `credential` is null in the one that stands alone because
    it has none. `grant` is null when no list in force names it."""

    grant: Id | None
    verdicts: tuple[Explanation, ...]


class Findings(_Message, frozen=True, tag="findings"):
    """What the doctor found, check by check; the unit's next state report tells the hub."""

    checks: Checks


FromCamera = CameraRead | CameraAlive
FromAgent = Deliver | Link | UpdateIs | FoundTrust | EnrolmentAnswer | EnrolmentFailed | AskRenewal
FromDisplay = DisplayAlive
FromAdmin = AskStatus | AskCommissioning | AskExplain | Findings
ToAgent = Hello | SendBatch | SendState | SendAnswer | FetchTrust | SendEnrolment | SendRenewal


def encode_line(message: msgspec.Struct) -> bytes:
    """One line, with its end."""
    return canonical(message) + b"\n"


@overload
def decode_line(line: bytes, kind: type[M], where: str) -> M: ...
@overload
def decode_line(line: bytes, kind: UnionType, where: str) -> Any: ...
def decode_line(line: bytes, kind: Any, where: str) -> Any:
    """One line without its end as a message of `kind`, or of one of them (`FromAgent`). Raises Refused."""
    return decode(line, kind, where)


class LineBuffer:
    """Cuts a byte stream into lines of at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are now complete, without their ends. Raises Refused `too_large` when a line grows over
        the limit; the stream is of no use after that."""
        start = len(self._buffer)
        self._buffer += data
        lines = []
        while (end := self._buffer.find(b"\n", start)) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            start = 0
            if len(line) > self._max_bytes:
                raise Refused("too_large", "line", f"over {self._max_bytes} bytes")
            lines.append(line)
        if len(self._buffer) > self._max_bytes:
            raise Refused("too_large", "line", f"over {self._max_bytes} bytes")
        return lines
