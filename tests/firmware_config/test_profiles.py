"""The hardware profiles: each is a whole unit file that `zaalsleutel door check` takes, with wiring one can build."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli import app
from controller.config import Config, load
from hal import catalog

PROFILES = sorted(Path("firmware-config/profiles").glob("*.toml"))
I2C = {2, 3}  # the clock chip
UART = {14, 15}
HAT_EEPROM = {0, 1}


@pytest.fixture(params=PROFILES, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def config(path) -> Config:
    return load(path)


def used(config: Config) -> dict[str, int]:
    """`[section] setting` -> line."""
    return {
        f"[{part.section}] {setting}": line
        for part in config.parts()
        for setting, line in catalog.pins_of(part.settings).items()
    }


def test_there_are_some():
    assert len(PROFILES) >= 5


def test_the_command_takes_it(path):
    done = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert (done.exit_code, done.output) == (0, "ok\n")


def test_its_name_is_its_files(path, config):
    assert config.profile is not None
    assert config.profile.name == path.stem


def test_no_line_is_used_twice_or_belongs_to_something_else(config):
    lines = used(config)
    assert len(set(lines.values())) == len(lines)
    assert not set(lines.values()) & (I2C | UART | HAT_EEPROM), lines


def test_everything_that_protects_people_is_wired(config):
    for section in ("lock", "contact", "exit_button", "tamper", "housing_button", "fire", "light", "sound", "clock"):
        assert config.has(section), section
    assert config.gpio.factory == "lgpio"


def test_the_relay_is_off_when_nobody_drives_it(path):
    lock = tomllib.loads(path.read_text())["lock"]
    assert lock["pin"] in range(9, 28)
    assert not lock.get("active_low", False)


@pytest.mark.parametrize("section", ["contact", "tamper", "fire"])
def test_a_cut_wire_reads_as_open(path, section):
    switch = tomllib.loads(path.read_text())[section]
    assert (switch.get("pull", "up"), switch.get("active")) == ("up", "high")


def test_one_can_come_in(config):
    outside = [part for part in (*config.keypads().values(), *config.scanners().values()) if not part.inside]
    assert outside


@pytest.mark.parametrize("port", ["keypad", "scanner", "camera"])
def test_every_driver_is_in_some_profile(port):
    sections = {"keypad": "keypads", "scanner": "scanners", "camera": "camera"}
    found = set()
    for path in PROFILES:
        table = tomllib.loads(path.read_text()).get(sections[port], {})
        found |= {part["driver"] for part in ([table] if "driver" in table else table.values())}
    assert found == set(catalog.DRIVERS[port])


def test_the_installer_finds_the_line_it_writes_the_id_into(path):
    assert path.read_text().count('\nid = "door-id"\n') == 1
