"""The unit's configuration: one TOML file in which nothing can be mistyped.

    [door]                       id, data, sockets, handle_sensed, remote
    [profile]                    name, board, title: which hardware this is, for people
    [gpio]                       factory
    [lock] [clock] [light] [sound] [camera] [camera_inside]
    [contact] [exit_button] [tamper] [housing_button] [fire] [legacy]
    [keypads.<name>]             each: driver = "…" and that driver's settings
    [scanners.<name>]            keypads and scanners also: inside = true

An unknown section or setting, a missing one, a value out of range, one GPIO line used twice: `Refused`, whose `where`
is `[section] setting`. Every process of the unit reads the same file and looks only at its own sections' settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from controller.formats.code_list import DoorId
from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml
from hal import catalog
from hal.errors import HardwareFault

T = TypeVar("T")

# section -> port of the hardware catalog
PORTS = {
    "lock": "lock",
    "contact": "contact",
    "exit_button": "contact",
    "tamper": "contact",
    "housing_button": "contact",
    "fire": "contact",
    "legacy": "contact",
    "light": "light",
    "sound": "sound",
    "clock": "clock",
    "camera": "camera",
    "camera_inside": "camera",
}
CAMERAS = ("camera", "camera_inside")  # each has a process of its own
REQUIRED = ("door", "lock", "clock")
# section of named parts -> port
NAMED = {"keypads": "keypad", "scanners": "scanner"}
READER_NAME = re.compile(r"[a-z0-9_-]{1,20}")


class DoorSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`id` as the hub knows the door; `data` the folder of list, log and keys; `sockets` the folder of the controller's
    sockets; `handle_sensed` true when every way out gives an exit signal, so that an opening without one is forced;
    `remote` which commands that let people in the hub may give: none unless named here."""

    id: DoorId
    data: Annotated[str, Meta(min_length=1)]
    sockets: Annotated[str, Meta(min_length=1)]
    handle_sensed: bool = False
    remote: tuple[Literal["release", "attended"], ...] = ()


class ProfileSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which hardware profile the file was made from; nothing is decided by it."""

    name: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")]
    board: Annotated[str, Meta(max_length=80)]
    title: Annotated[str, Meta(max_length=200)] = ""


class GpioSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`factory`: the gpiozero pin factory, by name; there is no fallback to another."""

    factory: Annotated[str, Meta(min_length=1)] = "lgpio"


@dataclass(frozen=True)
class Part:
    """One piece of hardware as configured: `section` is its name for people, `settings` its driver's own struct.
    `inside`: a reader on the inner side of the door, which only signs out."""

    section: str
    driver: catalog.Driver
    settings: msgspec.Struct
    inside: bool = False


class Config:
    """A configuration file that has the right sections; `part` checks a section's settings when it is asked for."""

    def __init__(self, tables: dict[str, Any]) -> None:
        known = {"door", "profile", "gpio", *NAMED, *PORTS}
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
        profile = tables.get("profile")
        self.profile = None if profile is None else _settings(profile, ProfileSection, "profile")

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
        self.check_pins([*self.parts(), *self.cameras()])

    def parts(self) -> list[Part]:
        """The controller's own hardware: every part but the cameras, whose drivers it never loads. Raises Refused."""
        single = [self.part(section) for section in PORTS if section not in CAMERAS]
        named = [*self.keypads().values(), *self.scanners().values()]
        return [part for part in single if part is not None] + named

    def cameras(self) -> list[Part]:
        """The cameras: outside, inside. Raises Refused."""
        found = [self.part(section) for section in CAMERAS]
        return [part for part in found if part is not None]

    def keypads(self) -> dict[str, Part]:
        """The keypads by name. Raises Refused."""
        return self._named("keypads")

    def scanners(self) -> dict[str, Part]:
        """The QR scanners by name. Raises Refused."""
        return self._named("scanners")

    def _named(self, kind: str) -> dict[str, Part]:
        parts = {}
        for name, table in self._tables.get(kind, {}).items():
            section = f"{kind}.{name}"
            if not READER_NAME.fullmatch(name) or not isinstance(table, dict):
                what = f"a {NAMED[kind]} is a section [{kind}.<name>], a-z 0-9 _ -"
                raise Refused("bad_config", f"[{section}]", what)
            inside = table.get("inside", False)
            if not isinstance(inside, bool):
                raise Refused("bad_config", f"[{section}] inside", "is true or false")
            settings = {setting: value for setting, value in table.items() if setting != "inside"}
            parts[name] = replace(_part(settings, section, NAMED[kind]), inside=inside)
        return parts

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
        content = path.read_bytes()
    except OSError as error:
        raise Refused("bad_config", str(path), f"cannot be read: {error.strerror}") from None
    return Config(parse_toml(content, "bad_config", str(path)))


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
