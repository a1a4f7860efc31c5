"""Where a unit finds its hub and its broker, as its enrolment said; with the certificate its agent was given then."""

from __future__ import annotations

import msgspec

from controller.formats.encoding import decode
from controller.formats.enrolment import Broker, Certificate, HubPlace


class LinkPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`hub` is `name` or `name:port`, for renewals over HTTPS; `certificate` (PEM) is public."""

    broker: Broker
    certificate: Certificate
    hub: HubPlace


def parse(data: bytes) -> LinkPlace:
    """Raises Refused."""
    return decode(data, LinkPlace, "link")
