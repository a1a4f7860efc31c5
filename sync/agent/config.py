"""The agent's configuration: one TOML file in which nothing can be mistyped.

    [door]
    id = "hall-1"                                   # must be the controller's own
    socket = "/run/zaalsleutel/sync.sock"           # where the controller listens

    [broker]
    certificate = "/var/lib/zaalsleutel-agent/agent.pem"    # PEM: who we are, with the key; enrolment writes it

    # Only for a unit whose files are carried by hand, or that has to take another way than its hub said:
    host = "broker.example"                         # the name its certificate must carry
    port = 8883
    private_key = "/etc/zaalsleutel/agent.key"      # where it is not in the same file
    authorities = "/etc/zaalsleutel/ca.pem"         # PEM: whom we believe, until the controller names others

    [update]                                        # may be left out
    spool = "/var/lib/zaalsleutel-agent/update"     # where a signed update is put down
    result = "/var/lib/zaalsleutel-update/result.json"      # where the one-shot says what came of it
    hub = "hub.example:8443"                        # for a unit whose files are carried by hand: where it is fetched

An unknown section or setting, a missing one, a value out of range: `Refused` naming `[section] setting`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId
from controller.formats.encoding import split_place
from controller.formats.enrolment import HubPlace
from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml

FilePath = Annotated[str, Meta(min_length=1)]


class DoorSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which door this is, and the path of the controller's `sync.sock`."""

    id: DoorId
    socket: FilePath


class BrokerSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The TLS files (PEM), and where the broker is; what is left out the controller knows from its enrolment."""

    host: Annotated[str, Meta(min_length=1, max_length=253)] | None = None
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8883
    certificate: FilePath
    private_key: FilePath | None = None
    authorities: FilePath | None = None


class UpdateSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The folders of signed updates, and where packages come from when the enrolment does not say."""

    spool: FilePath = "/var/lib/zaalsleutel-agent/update"
    result: FilePath = "/var/lib/zaalsleutel-update/result.json"
    hub: HubPlace | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    door: DoorSection
    broker: BrokerSection
    update: UpdateSection = UpdateSection()


def read_config(path: Path) -> Config:
    """The configuration in `path`. Raises Refused `bad_config`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused("bad_config", str(path), f"cannot be read: {error.strerror}") from None
    tables = parse_toml(content, "bad_config", path.name)
    try:
        return msgspec.convert(tables, Config)
    except msgspec.ValidationError as error:
        text, place = split_place(str(error))
        # An unknown or missing name stands in the sentence, not in the place.
        named = re.search(r"field `([^`]*)`", text)
        section, *setting = [part for part in (*place.split("."), named and named[1]) if part] or [path.name]
        raise Refused("bad_config", " ".join([f"[{section}]", *setting]), text) from None
