"""The unit's configuration: one TOML file in which nothing can be mistyped.

    [door]                       id, data, sockets, handle_sensed
    [gpio]                       factory
    [lock] [contact] [exit_button] [light] [clock] [camera]
    [keypads.<name>]             each: driver = "…" and that driver's settings

An unknown section or setting, a missing one, a value out of range, one GPIO line used twice: `Refused`, whose `where`
is `[section] setting`. Every process of the unit reads the same file and looks only at its own sections' settings.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId
from controller.formats.errors import Refused
from hal import catalog
from hal.errors import HardwareFault

T = TypeVar("T")

# section -> port of the hardware catalog
PORTS = {
    "lock": "lock",
    "contact": "contact",
    "exit_button": "contact",
    "light": "light",
    "clock": "clock",
    "camera": "camera",
}
REQUIRED = ("door", "lock", "clock")
KEYPAD_NAME = re.compile(r"[a-z0-9_-]{1,20}")


class DoorSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`id` as the hub knows the door; `data` the folder of list, log and keys; `sockets` the folder of the controller's
    sockets; `handle_sensed` true when every way out gives an exit signal, so that an opening without one is forced."""

    id: DoorId
    data: Annotated[str, Meta(min_length=1)]
    sockets: Annotated[str, Meta(min_length=1)]
    handle_sensed: bool = False


class GpioSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`factory`: the gpiozero pin factory, by name; there is no fallback to another."""

    factory: Annotated[str, Meta(min_length=1)] = "lgpio"


@dataclass(frozen=True)
class Part:
    """One piece of hardware as configured: `section` is its name for people, `settings` its driver's own struct."""

    section: str
    driver: catalog.Driver
    settings: msgspec.Struct


class Config:
    """A configuration file that has the right sections; `part` checks a section's settings when it is asked for."""

    def __init__(self, tables: dict[str, Any]) -> None:
        known = {"door", "gpio", "keypads", *PORTS}
        for section, table in tables.items():
            if section not in known:
                raise Refused("bad_config", f"[{section}]", f"no such section; there are: {', '.join(sorted(known))}")
            if not isinstance(table, dict):
                raise Refused("bad_config", f"[{section}]", "is a section, not a value")
        for section in REQUIRED:
            if section not in tables:
                raise Refused("bad_config", f"[{section}]", "is missing")
        self._tables = tables
        self.door = _settings(tables["door"], DoorSection, "door")
        self.gpio = _settings(tables.get("gpio", {}), GpioSection, "gpio")

    @property
    def data(self) -> Path:
        return Path(self.door.data)

    @property
    def sockets(self) -> Path:
        return Path(self.door.sockets)

    def has(self, section: str) -> bool:
        """Whether a section is there; says nothing about its settings."""
        return section in self._tables

    def part(self, section: str) -> Part | None:
        """The hardware of a section, None when it is not there. Raises Refused."""
        table = self._tables.get(section)
        return None if table is None else _part(table, section, PORTS[section])

    def required(self, section: str) -> Part:
        """The hardware of a section that every unit has. Raises Refused."""
        part = self.part(section)
        assert part is not None  # Config refused to be made without it
        return part

    def check(self) -> None:
        """Check every section's settings, also those of the other processes. Raises Refused."""
        parts = [part for part in map(self.part, PORTS) if part is not None]
        self.check_pins([*parts, *self.keypads().values()])

    def keypads(self) -> dict[str, Part]:
        """The keypads by name. Raises Refused."""
        keypads = {}
        for name, table in self._tables.get("keypads", {}).items():
            section = f"keypads.{name}"
            if not KEYPAD_NAME.fullmatch(name) or not isinstance(table, dict):
                raise Refused("bad_config", f"[{section}]", "a keypad is a section [keypads.<name>], a-z 0-9 _ -")
            keypads[name] = _part(table, section, "keypad")
        return keypads

    def check_pins(self, parts: Iterable[Part]) -> None:
        """Raises Refused when two settings claim one GPIO line."""
        claimed: dict[int, str] = {}
        for part in parts:
            for setting, line in catalog.pins_of(part.settings).items():
                where = f"[{part.section}] {setting}"
                if line in claimed:
                    raise Refused("bad_config", where, f"GPIO {line} is already {claimed[line]}")
                claimed[line] = where


def load(path: Path) -> Config:
    """The configuration in a file. Raises Refused, whose `where` begins with the place in the file."""
    try:
        return Config(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("bad_config", str(path), f"cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise Refused("bad_config", str(path), f"not TOML: {error}") from None


def _part(table: dict[str, Any], section: str, port: str) -> Part:
    settings = dict(table)
    name = settings.pop("driver", None)
    if not isinstance(name, str):
        raise Refused("bad_config", f"[{section}] driver", "names the driver, and is missing")
    try:
        driver = catalog.driver(port, name)
    except HardwareFault as fault:
        raise Refused("bad_config", f"[{section}] driver", str(fault)) from None
    return Part(section, driver, _settings(settings, driver.Settings, section))


def _settings(table: dict[str, Any], kind: type[T], section: str) -> T:
    try:
        return msgspec.convert(table, kind, strict=True)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        named = re.search(r"(?:unknown|required) field `([^`]+)`", text)
        setting = named.group(1) if named else place.strip("`.")
        raise Refused("bad_config", f"[{section}] {setting}".strip(), text) from None
