"""What a camera process takes from the unit's configuration: `[door] sockets` and its own section, `[camera]` or
`[camera_inside]`.

The rest of the file is for other processes and is not looked at; a file with these two sections alone will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar, cast

import msgspec

from controller.formats.encoding import split_place
from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml
from hal import catalog
from hal.errors import HardwareFault
from hal.ports import Camera

T = TypeVar("T")

CAMERA, INSIDE = "camera", "camera_inside"
"""Section of the unit's file, and name of the socket that says which side of the door is looked at."""


class CameraDriver(Protocol):
    """A driver of the port `camera`. It has no pins, so unlike other drivers it opens without a board."""

    Settings: type[msgspec.Struct]

    def open(self, settings: Any, /) -> Camera: ...


class DoorSection(msgspec.Struct, frozen=True):
    """`[door]`, of which only the folder of the controller's sockets matters here."""

    sockets: Annotated[str, msgspec.Meta(min_length=1)]


@dataclass(frozen=True)
class Config:
    """`socket` is where the controller listens; `driver` opens the camera with `settings`."""

    socket: Path
    driver: CameraDriver
    settings: msgspec.Struct


def load(path: Path, camera: str = CAMERA) -> Config:
    """One camera's configuration in a file. Raises Refused `bad_config`; `where` is the file or `[section] setting`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused("bad_config", str(path), f"cannot be read: {error.strerror}") from None
    tables = parse_toml(content, "bad_config", str(path))
    door = _settings(_section(tables, "door"), DoorSection, "door")
    settings = _section(tables, camera)
    driver = _driver(settings.pop("driver", None), f"[{camera}] driver")
    return Config(Path(door.sockets) / f"{camera}.sock", driver, _settings(settings, driver.Settings, camera))


def _section(tables: dict[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name)
    if not isinstance(table, dict):
        raise Refused("bad_config", f"[{name}]", "is missing" if table is None else "is a section, not a value")
    return dict(table)


def _driver(name: Any, where: str) -> CameraDriver:
    if not isinstance(name, str):
        raise Refused("bad_config", where, "names the driver, and is missing")
    try:
        return cast(CameraDriver, catalog.driver("camera", name))
    except HardwareFault as fault:
        raise Refused("bad_config", where, str(fault)) from None


def _settings(table: dict[str, Any], kind: type[T], section: str) -> T:
    try:
        return msgspec.convert(table, kind, strict=True)
    except msgspec.ValidationError as error:
        text, place = split_place(str(error))
        named = re.search(r"field `([^`]+)`", text)
        setting = named.group(1) if named else place.strip(".")
        raise Refused("bad_config", f"[{section}] {setting}".strip(), text) from None
