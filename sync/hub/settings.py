"""A hub folder and its `hub.toml`.

    database = "sqlite:///hub.db"     # relative to the folder; or postgresql+psycopg://…
    [http]    host, port              # where the API listens
              certificate, private_key, client_authorities      # TLS, and clients known by certificate (optional)
              public_url              # how others reach it: the `source` of its events (optional)
              webhook_networks        # where webhooks may go besides public addresses, e.g. ["10.20.0.0/16"] (optional)
              plain_webhooks          # webhooks may go over http too, and to this machine (optional; for trying out)
    [mqtt]    host, port              # the broker
    [doors]   host, port              # where doors enrol and renew over HTTPS (optional)
              public                  # how they reach it: `name` or `name:port`, 443 unless said; in the enrolment QR
              broker                  # how they reach the broker, where that is not [mqtt] (optional)
    [folders] keys, tls               # relative to the folder
              updates                 # packages on offer to door units (optional); the same for all hub processes

Unknown, missing and mistyped settings are Refused as `bad_settings`, naming `[section] name`.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from controller.formats.encoding import split_place
from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml

FILE = "hub.toml"
SQLITE = "sqlite:///"
Port = Annotated[int, Meta(ge=1, le=65_535)]
Place = Annotated[str, Meta(pattern=r"^[a-z0-9.-]{1,39}(:[1-9][0-9]{0,4})?$")]

TEMPLATE = """\
# The hub's own settings; what the town decides is in town.toml (`zaalsleutel hub apply`).
database = "sqlite:///hub.db"

[http]
host = "127.0.0.1"
port = 8080

[mqtt]
host = "{broker}"
port = 8883

[folders]
keys = "keys"
tls = "tls"
"""


DOORS_HOST = r"[a-z0-9.-]{1,34}"
"""What leaves room for a port and a door's id in the enrolment QR; a longer name wants a short one beside it."""

DOORS_TEMPLATE = """
# Door units enrol and renew their certificates here, over HTTPS with the broker's certificate.
[doors]
host = "0.0.0.0"
port = 8443
public = "{host}:8443"
"""


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where something listens."""

    host: Annotated[str, Meta(min_length=1)]
    port: Port


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the API listens, with TLS when there is a certificate; paths relative to the folder. A proxy in front does
    as well."""

    host: Annotated[str, Meta(min_length=1)]
    port: Port
    certificate: Path | None = None
    private_key: Path | None = None
    client_authorities: Path | None = None
    public_url: Annotated[str, Meta(pattern=r"^https?://[!-~]+$")] | None = None
    webhook_networks: tuple[str, ...] = ()
    plain_webhooks: bool = False

    @property
    def reachable(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of `webhook_networks`. Raises ValueError."""
        return tuple(ip_network(each) for each in self.webhook_networks)

    @property
    def source(self) -> str:
        """The `source` of events."""
        return self.public_url or f"http://{self.host}:{self.port}"


class Doors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where door units enrol and renew their certificates, over HTTPS with the broker's certificate."""

    host: Annotated[str, Meta(min_length=1)]
    public: Place
    port: Port = 8443
    broker: Place | None = None


class Folders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where keys and certificates are, and the packages of updates that are on offer."""

    keys: Path
    tls: Path
    updates: Path = Path("updates")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`hub.toml`, with every path made absolute."""

    database: str
    http: Http
    mqtt: Address
    folders: Folders
    doors: Doors | None = None


def read_settings(folder: Path) -> Settings:
    """The settings of a hub folder. Raises Refused `bad_settings`, `unreadable` where there is none, OSError."""
    path = folder / FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Refused("unreadable", str(path), "is missing; `zaalsleutel hub init` makes a hub folder") from None
    document = parse_toml(content, "bad_settings", FILE)
    try:
        settings = msgspec.convert(document, Settings, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        text, place = split_place(str(error))
        section, _, name = place.strip(".").rpartition(".")
        raise Refused("bad_settings", f"[{section}] {name}" if section else f"[{name or 'hub'}]", text) from None
    folder = folder.resolve()
    folders = Folders(*(folder / getattr(settings.folders, name) for name in ("keys", "tls", "updates")))
    if (settings.http.certificate is None) != (settings.http.private_key is None):
        raise Refused("bad_settings", "[http] private_key", "certificate and private_key come together")
    if settings.http.client_authorities is not None and settings.http.certificate is None:
        raise Refused("bad_settings", "[http] client_authorities", "needs a certificate of our own")
    try:
        _ = settings.http.reachable
    except ValueError as error:
        raise Refused("bad_settings", "[http] webhook_networks", str(error)) from None
    names = ("certificate", "private_key", "client_authorities")
    given = {name: getattr(settings.http, name) for name in names}
    paths = {name: None if path is None else folder / path for name, path in given.items()}
    http = msgspec.structs.replace(settings.http, **paths)
    database = settings.database
    if database.startswith(SQLITE):
        database = f"{SQLITE}{folder / database.removeprefix(SQLITE)}"
    return msgspec.structs.replace(settings, database=database, http=http, folders=folders)
