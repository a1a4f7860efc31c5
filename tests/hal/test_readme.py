"""hal/README.md against the code: every driver and every setting is in it."""

import re
from pathlib import Path

import pytest

from hal import catalog
from hal.light_gpio import RHYTHMS
from hal.sound_gpio import RHYTHMS as SOUNDS

README = Path("hal/README.md").read_text("utf-8")
EVERY_DRIVER = [(port, name) for port, drivers in catalog.DRIVERS.items() for name in drivers]


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = README.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(("port", "name"), EVERY_DRIVER)
def test_every_setting_is_documented(port, name):
    driver = catalog.driver(port, name)
    documented = {row[0].strip("`"): row[1] for row in rows("Settings")}
    assert f"{port} {name}" in documented
    named = re.findall(r"`(\w+)", documented[f"{port} {name}"])
    assert set(named) == set(driver.Settings.__struct_fields__)


def test_no_driver_is_documented_that_is_gone():
    assert {row[0].strip("`") for row in rows("Settings")} == {f"{port} {name}" for port, name in EVERY_DRIVER}


def test_every_signal_and_sound_is_in_the_table_of_meanings():
    meanings = " ".join(row[0] for row in rows("Lights and sounds"))
    for name in {*RHYTHMS, *SOUNDS} - {"off", "silence"}:
        assert name in meanings
