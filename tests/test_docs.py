"""Nothing a person can type, set, subscribe to or read in a log is undocumented."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

import zaalsleutel
from controller.config import DoorSection, GpioSection
from controller.formats.event import EVENT_KINDS
from controller.formats.reasons import Reason
from hal import catalog
from hal.errors import HardwareFault
from sync.topics import DOWN, UP

ROOT = Path(__file__).parents[1]
PAGES = "\n".join(
    page.read_text("utf-8")
    for page in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") or part == "node_modules" for part in page.relative_to(ROOT).parts)
)


def _commands() -> list[str]:
    found = []
    for room, target in zaalsleutel.ROOMS.items():
        module, _, attribute = target[0].partition(":") if isinstance(target, tuple) else target.partition(":")
        group = typer.main.get_command(getattr(import_module(module), attribute))
        found += list(_names(group, room))
    return found


def _names(command: object, name: str) -> list[str]:
    children = getattr(command, "commands", None)
    if not children:
        return [name]
    return [each for child in children.values() for each in _names(child, f"{name} {child.name}")]


@pytest.mark.parametrize("command", _commands())
def test_every_command_is_documented(command: str) -> None:
    assert command in PAGES, f"no page names `zaalsleutel {command}`"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_documented(reason: str) -> None:
    assert f"`{reason}`" in PAGES


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_every_event_kind_is_documented(kind: str) -> None:
    assert f"`{kind}`" in PAGES


@pytest.mark.parametrize("leaf", [*DOWN, *UP])
def test_every_topic_is_documented(leaf: str) -> None:
    assert f"`{leaf}`" in PAGES or f"/{leaf}`" in PAGES


def _settings() -> list[tuple[str, str]]:
    found = [(section.__name__, field) for section in (DoorSection, GpioSection) for field in section.__struct_fields__]
    for port, drivers in catalog.DRIVERS.items():
        for name in drivers:
            try:
                settings = catalog.driver(port, name).Settings
            except HardwareFault:
                continue  # a driver whose library only a Raspberry Pi has is held to its page by its own test there
            found += [(f"{port} {name}", field) for field in settings.__struct_fields__]
    return found


@pytest.mark.parametrize(("where", "setting"), _settings())
def test_every_setting_of_a_unit_is_documented(where: str, setting: str) -> None:
    assert f"`{setting}`" in PAGES or f"{setting} =" in PAGES or f"{setting}," in PAGES, (
        f"no page names {setting} of {where}"
    )


def test_the_command_lists_its_rooms() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "zaalsleutel", "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert all(room in listed.stdout for room in zaalsleutel.ROOMS)
