"""What controller and agent say to each other about enrolment and renewal (on `sync.sock`), and what the screen shows.

controller -> FetchTrust         agent -> FoundTrust          the document of that name, and a certificate request
controller -> SendEnrolment      agent -> EnrolmentAnswer     what the hub said
                                 agent -> EnrolmentFailed     or why there is nothing
agent -> AskRenewal              controller -> SendRenewal    the agent gets the answer itself
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from controller.formats.encoding import whole
from controller.formats.enrolment import Csr, Hex16, HubPlace, Serial

Code = Annotated[str, Meta(pattern=whole(r"[a-z_]{1,40}"))]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    pass


class FetchTrust(_Message, frozen=True, tag="fetch_trust"):
    """Staff showed a code: fetch the trust document of this name (hash, hex) from the hub at `hub`."""

    hub: HubPlace
    trust: Hex16


class SendEnrolment(_Message, frozen=True, tag="enrol"):
    """The unit's request, encrypted to the hub; to be sent until there is an answer."""

    body: str


class SendRenewal(_Message, frozen=True, tag="renewal"):
    """The agent's request for its next certificate, signed by the controller."""

    body: str


class FoundTrust(_Message, frozen=True, tag="found_trust"):
    """The trust document that was asked for, and the agent's certificate request (PEM)."""

    document: str
    csr: Csr


class EnrolmentAnswer(_Message, frozen=True, tag="enrolled"):
    """The hub's answer, unopened."""

    body: str


class EnrolmentFailed(_Message, frozen=True, tag="not_enrolled"):
    """There is no answer, or the hub refused. Only told to whoever stands there: anybody could say it."""

    reason: Code


class AskRenewal(_Message, frozen=True, tag="renew"):
    """The agent's next certificate request (PEM) and the serial number (hex) of the one it has, null without one."""

    csr: Csr
    serial: Serial | None


class Enrolling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How far an enrolment is: `open` (show the code from the hub), `busy`, `code` (confirm these digits at the hub),
    `refused` (why)."""

    state: Literal["open", "busy", "code", "refused"]
    code: str | None = None
    reason: str | None = None
