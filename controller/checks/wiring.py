"""The configuration against itself and against the devices that are plugged in. Opens nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from controller.checks.finding import Finding, amber, green, red
from controller.config import Config
from controller.formats.errors import Refused
from hal import catalog

EXPECTED: Final = {
    "contact": "without a door contact every grant counts as an entry",
    "tamper": "nobody would know that the housing was opened",
    "sound": "who does not see the light gets no answer (EN 301 549)",
    "light": "who does not hear the buzzer gets no answer (EN 301 549)",
}
DEVICE_SETTINGS: Final = ("device", "source")


def wiring(config: Config) -> Iterator[Finding]:
    """Settings and lines, what is missing, devices."""
    try:
        config.check()
        parts = config.parts()
    except Refused as refused:
        yield red("wiring", f"{refused.where}: {refused.text}", "correct it in the unit file and check again")
        return
    lines = [line for part in parts for line in catalog.pins_of(part.settings).values()]
    yield green("wiring", f"{len(parts)} parts on {len(lines)} lines, none used twice")
    for section, without in EXPECTED.items():
        if not config.has(section):
            yield amber("wiring", f"no [{section}]: {without}", f"wire it and add [{section}]")
    for part in parts:
        yield from _device(part.section, part.settings)
    for camera in config.cameras():
        yield from _device(camera.section, camera.settings)


def _device(section: str, settings: object) -> Iterator[Finding]:
    for setting in DEVICE_SETTINGS:
        device = getattr(settings, setting, "")
        if device.startswith("/") and not Path(device).exists():
            yield red(f"device {section}", f"{device} is not there", "plug it in, or correct the path")
