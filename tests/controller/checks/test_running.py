"""What a unit says of itself."""

import re
from pathlib import Path

import msgspec
import pytest

from controller.checks import running
from controller.checks.finding import worst
from controller.config import Config
from controller.formats.messages import Status

DAY = 86_400
NOW_S = 1_784_289_600
WELL = Status(
    door="hall-1",
    at=NOW_S * 1000,
    clock="synced",
    list_version=7,
    list_hash="h",
    valid_until=NOW_S + 20 * DAY,
    grants=3,
    trust_version=1,
    log="l",
    seq=10,
    receipt_seq=10,
    unsent=0,
    posture="controlled",
    tries=10,
    inside=0,
    faults=(),
    linked=True,
    released=False,
)


def config(driver: str = "serial", **settings) -> Config:
    keypad = {"driver": driver, **(settings or {"device": "/dev/ttyUSB0"})}
    return Config(
        {
            "door": {"id": "hall-1", "data": "data", "sockets": "run"},
            "lock": {"driver": "gpio", "pin": 17},
            "contact": {"driver": "gpio", "pin": 23},
            "clock": {"driver": "linux"},
            "keypads": {"outside": keypad},
        }
    )


def found(**changes):
    return list(running.running(config(), msgspec.structs.replace(WELL, **changes)))


def test_a_unit_that_is_well_is_green():
    assert worst(found()) == "green"
    assert {finding.check for finding in found()} >= {"clock", "list", "link", "relay", "contact", "keypad outside"}


def test_a_unit_that_says_nothing_is_red():
    (only,) = running.running(config(), None)
    assert (only.check, only.colour) == ("controller", "red")


@pytest.mark.parametrize(
    ("changes", "check", "colour"),
    [
        ({"clock": "floor"}, "clock", "red"),
        ({"clock": "holdover"}, "clock", "green"),
        ({"faults": ("clock",)}, "clock", "amber"),
        ({"valid_until": None}, "list", "red"),
        ({"valid_until": NOW_S}, "list", "red"),
        ({"valid_until": NOW_S + 6 * DAY}, "list", "amber"),
        ({"faults": ("list_stale",)}, "list", "amber"),
        ({"linked": False}, "link", "amber"),
        ({"unsent": 1_001}, "link", "amber"),
        ({"faults": ("lock",)}, "relay", "red"),
        ({"faults": ("keypad",)}, "keypad", "red"),
        ({"faults": ("tamper",)}, "tamper", "red"),
        ({"faults": ("something_new",)}, "something_new", "amber"),
    ],
)
def test_what_is_wrong_has_its_colour_and_a_next_step(changes, check, colour):
    matching = [finding for finding in found(**changes) if finding.check == check]
    assert [finding.colour for finding in matching] == [colour]
    assert colour == "green" or matching[0].do


@pytest.mark.parametrize(
    ("driver", "settings", "colour"),
    [
        ("wiegand", {"d0": 5, "d1": 6}, "amber"),
        ("matrix", {"rows": [5, 6, 13, 19], "columns": [26, 12, 4]}, "amber"),
        ("serial", {"device": "/dev/ttyUSB0"}, "green"),
    ],
)
def test_wires_that_cannot_tell_are_amber(driver, settings, colour):
    (only,) = running.keypads(config(driver, **settings))
    assert only.colour == colour


def test_every_fault_is_on_the_page():
    page = Path("controller/checks/README.md").read_text("utf-8").split("## Faults")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", "".join(rows))) == {*running.FAULTS, *running.TOLD_ELSEWHERE}
