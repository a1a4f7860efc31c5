"""A hub folder, and the files a new door unit takes along.

make_hub(folder, ["hub.example"], now)
enrol_door(service, settings, "hall-1", event_key, out, now)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from controller.formats.jwk import VerifyKey
from sync.hub.ca import Authority, make_tls
from sync.hub.keys import make_keys, write_once
from sync.hub.link_keys import make_link_keys
from sync.hub.service import Service
from sync.hub.settings import FILE, TEMPLATE, Settings, read_settings
from sync.hub.trust_shelf import TRUST, TrustShelf


def make_hub(folder: Path, hosts: Sequence[str], now: datetime) -> list[Path]:
    """Make what is missing of a hub folder and return the new files; nothing is overwritten. The broker's
    certificate is for `hosts` and for this machine. Raises Refused `bad_settings` for a hub.toml that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    settings_file = folder / FILE
    made = []
    if write_once(settings_file, TEMPLATE.format(broker=[*hosts, "127.0.0.1"][0]).encode(), mode=0o644):
        made.append(settings_file)
    settings = read_settings(folder)
    made += make_keys(settings.folders.keys) + make_link_keys(settings.folders.keys)
    return made + make_tls(settings.folders.tls, hosts, now)


def enrol_door(
    service: Service, settings: Settings, door: str, event_key: VerifyKey, out: Path, now: datetime
) -> list[Path]:
    """Register a door's event key and write what its unit needs into `out`: `agent.crt` and `agent.key` (TLS),
    `ca.pem`, `trust.json`. Raises Refused `not_found` for a door the town does not name, `no_trust` before the first
    ceremony."""
    service.enrol(door, event_key)
    authority = Authority.load(settings.folders.tls)
    certificate, private = authority.client(door, now)
    trust = TrustShelf(settings.folders.keys / TRUST).needed().document
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    contents = [("agent.crt", certificate, 0o644), ("ca.pem", authority.pem, 0o644), ("trust.json", trust, 0o644)]
    for name, content, mode in [*contents, ("agent.key", private, 0o600)]:
        (out / name).unlink(missing_ok=True)
        write_once(out / name, content, mode=mode)
    return sorted(out / name for name in ("agent.crt", "agent.key", "ca.pem", "trust.json"))
