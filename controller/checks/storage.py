"""The card, and the files on it that are secrets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from controller.checks.finding import Finding, amber, green, red
from controller.config import Config
from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml
from hal.errors import HardwareFault

FULL_BYTES: Final = 50 * 1024 * 1024
TIGHT_BYTES: Final = 300 * 1024 * 1024
"""A list is 4 MiB at most and is written beside the old one; the log of a busy door grows 20 MiB a month."""
WORN: Final = 8
"""JEDEC life estimate in tenths: 0x08 is 70-80 % of the rated writes."""
RENEW_DAYS: Final = 14
"""An enrolled unit renews by itself when 30 are left, so fewer than this says that it could not."""
OTHERS_MAY: Final = 0o077


def storage(config: Config, agent: Path | None, root: Path, now_s: int, copy: Path | None = None) -> Iterator[Finding]:
    """Space, wear, keys, certificate."""
    yield space(config.data)
    yield from wear(root)
    yield from private_files(config, agent)
    if agent is not None:
        yield certificate(agent, now_s, copy)


def space(folder: Path) -> Finding:
    """Room for the next list and the log."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return red("disk space", f"{folder}: {error.strerror}", "zaalsleutel door init makes the folder")
    fact = f"{free // (1024 * 1024)} MiB free"
    if free < FULL_BYTES:
        return red("disk space", fact, "make room: soon no list can be installed")
    if free < TIGHT_BYTES:
        return amber("disk space", fact, "make room, or a larger card at the next visit")
    return green("disk space", fact)


def wear(root: Path) -> Iterator[Finding]:
    """What filesystems and cards say of their own health; most SD cards say nothing."""
    broken = []
    for path in root.glob("sys/fs/ext4/*/errors_count"):
        if path.read_text().strip() != "0":
            broken.append(path.parent.name)
    if broken:
        yield red("disk health", f"the filesystem found errors on {', '.join(broken)}", "replace the card")
    for path in root.glob("sys/block/mmcblk*/device/life_time"):
        worst = max(int(estimate, 16) for estimate in path.read_text().split())
        if worst >= WORN:
            yield amber("disk health", f"{worst * 10} % of the card's writes are used", "replace the card")
    if not broken:
        yield green("disk health", "no errors")


def private_files(config: Config, agent: Path | None) -> Iterator[Finding]:
    """Keys that others could read, and keys that everybody knows."""
    files = sorted(config.data.glob("*.jwk")) if config.data.is_dir() else []
    for part in config.keypads().values():
        key_file = getattr(part.settings, "key_file", None)
        if key_file is not None:
            files.append(Path(key_file))
            yield from _osdp_key(part.section, Path(key_file))
    if agent is not None and (private_key := _broker_file(agent, "private_key")) is not None:
        files.append(private_key)
    readable = [path for path in files if _mode(path) & OTHERS_MAY]
    for path in readable:
        yield red("keys", f"{path} can be read by others", f"chmod 600 {path}")
    if not readable:
        yield green("keys", f"{len(files)} key files, for their owner only")


def certificate(agent: Path, now_s: int, copy: Path | None = None) -> Finding:
    """How long the agent's TLS certificate still lives; `copy` where its own folder is closed to us."""
    path = copy or _broker_file(agent, "certificate")
    try:
        if path is None:
            raise ValueError("the agent's file names none")
        loaded = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return red("certificate", f"cannot be read: {error}", "renew it at the hub")
    days = int(loaded.not_valid_after_utc.timestamp() - now_s) // 86_400
    until = datetime.fromtimestamp(loaded.not_valid_after_utc.timestamp(), UTC).date()
    if days < 0:
        return red("certificate", f"ended on {until}: the door gets no lists", "renew it at the hub")
    if days < RENEW_DAYS:
        return amber("certificate", f"ends in {days} days, on {until}", "renew it at the hub")
    return green("certificate", f"until {until}")


def _mode(path: Path) -> int:
    """The file's mode, 0 for one that is not there or in a folder that is closed to us, as to others."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _osdp_key(section: str, path: Path) -> Iterator[Finding]:
    try:
        from hal.keypad_osdp import read_key

        read_key(path)
    except ImportError:
        return  # the wiring check names the missing library
    except HardwareFault as fault:
        yield red("keys", f"[{section}] {fault}", "make one: openssl rand -hex 16, and give it to the keypad")


def _broker_file(agent: Path, setting: str) -> Path | None:
    """A path in the agent's `[broker]` section."""
    try:
        broker = parse_toml(agent.read_bytes(), "bad_config", str(agent)).get("broker")
    except (OSError, Refused):
        return None
    named = broker.get(setting) if isinstance(broker, dict) else None
    return agent.parent / named if isinstance(named, str) else None
