"""`adapters.toml` in the hub folder: which foreign systems this hub listens to, and in whose name.

    [feeds.cleaning]                          # an iCalendar feed that is polled
    client = "planning"                       # a client of town.toml; its reservations these are
    url = "https://planner.example/cleaning.ics"
    kind = "cleaning"
    per_attendee = true                       # a code for each cleaner, not one for the team
    rooms = { "Grote zaal" = "https://data.example/id/INF001" }   # LOCATION → room, where they differ

    [hooks.i-reserve]                         # a product that calls when something changed
    client = "booking"
    proof = "hmac-sha256"                     # or "token": the secret itself
    header = "X-Signature"
    secret_file = "secrets/i-reserve-hook"
    id = "booking.id"                         # where its message names the reservation; nothing else of it is read
    fetch = "https://api.i-reserve.example/v2/bookings/{id}"
    token_file = "secrets/i-reserve-token"    # or [hooks.i-reserve.oauth] token_url, client_id, secret_file
    states = { confirmed = "active", option = "pending", cancelled = "cancelled" }
    rooms = { "17" = "https://data.example/id/INF001" }
    [hooks.i-reserve.fields]                  # where the fetched reservation has what
    state = "status"
    room = "objects[].id"
    start = "start"
    end = "end"
    holder = "customer_id"

Unknown, missing and mistyped settings are Refused as `bad_adapters`, naming their place. Paths are relative to the
folder; secrets are in files of their own, never in here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from controller.formats.code_list import Kind, Language
from controller.formats.encoding import split_place
from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml
from sync.hub.adapters.entry import HolderKind
from sync.hub.issuing.issuer import GrantState

FILE = "adapters.toml"
Name = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
FieldPath = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+(\[\])?(\.[A-Za-z0-9_-]+(\[\])?)*$")]
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class OAuth(_Strict, frozen=True):
    """Client credentials with which the hub gets a token of the other side."""

    token_url: Text
    client_id: Text
    secret_file: Path
    scope: str = ""


class FeedPlan(_Strict, frozen=True):
    """One calendar to poll. `missing` says what becomes of an event that has left the feed: `keep` its reservation or
    `cancel` it; never more than a quarter of them at once."""

    client: Name
    url: Text
    kind: Kind = "cleaning"
    per_attendee: bool = False
    rooms: dict[str, str] = {}
    every_min: Annotated[int, Meta(ge=1, le=1_440)] = 5
    ahead_days: Annotated[int, Meta(ge=1, le=365)] = 92
    missing: Literal["keep", "cancel"] = "keep"
    token_file: Path | None = None
    oauth: OAuth | None = None


class Fields(_Strict, frozen=True):
    """Where a fetched reservation has what: member names with dots between, `[]` for each of a list. `replaces` is the
    number of the one it came out of, for a product that makes a new reservation of a move."""

    state: FieldPath
    room: FieldPath
    start: FieldPath
    end: FieldPath
    holder: FieldPath | None = None
    language: FieldPath | None = None
    sequence: FieldPath | None = None
    replaces: FieldPath | None = None


class HookPlan(_Strict, frozen=True):
    """One product that calls. `zone` is what its times without offset mean; `gone` what a 404 of its API means for a
    reservation: nothing (`keep`, it may be a wrong address) or that it was deleted (`cancel`)."""

    client: Name
    proof: Literal["token", "hmac-sha256"]
    header: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,60}$")]
    secret_file: Path
    id: FieldPath
    fetch: Annotated[str, Meta(pattern=r"^[^{}]+\{id\}[^{}]*$")]
    fields: Fields
    states: dict[str, GrantState]
    rooms: dict[str, str] = {}
    holder_kind: HolderKind = "association"
    language: Language = "nl"
    zone: str = "UTC"
    gone: Literal["keep", "cancel"] = "keep"
    token_file: Path | None = None
    oauth: OAuth | None = None


class Adapters(_Strict, frozen=True):
    """The whole file."""

    feeds: dict[Name, FeedPlan] = {}
    hooks: dict[Name, HookPlan] = {}


def read_adapters(folder: Path) -> Adapters:
    """The adapters of a hub folder; none when there is no such file. Raises Refused `bad_adapters`."""
    try:
        content = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return Adapters()
    document = parse_toml(content, "bad_adapters", FILE)
    try:
        adapters = msgspec.convert(document, Adapters, dec_hook=lambda _, value: folder.resolve() / value)
    except msgspec.ValidationError as error:
        text, place = split_place(str(error))
        raise Refused("bad_adapters", f"{FILE} {place.strip('.')}".rstrip(), text) from None
    _check_addresses(adapters)
    return adapters


def _check_addresses(adapters: Adapters) -> None:
    """What is fetched becomes keys to doors, so it is fetched over TLS; only this machine itself may go without."""
    plans: list[tuple[str, FeedPlan | HookPlan, str]] = [
        *((f"[feeds.{name}] url", feed, feed.url) for name, feed in adapters.feeds.items()),
        *((f"[hooks.{name}] fetch", hook, hook.fetch) for name, hook in adapters.hooks.items()),
    ]
    for where, plan, url in plans:
        for place, address in ((where, url), (f"{where} oauth", plan.oauth.token_url if plan.oauth else url)):
            parts = urlsplit(address)
            if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
                raise Refused("bad_adapters", place, "has to start with https://")
        if plan.token_file is not None and plan.oauth is not None:
            raise Refused("bad_adapters", where, "has a token_file and oauth; one of them is enough")
