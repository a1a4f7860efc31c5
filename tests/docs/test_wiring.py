"""The wiring pictures are drawn from the profiles, and say what the profiles say."""

import importlib.util
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from controller.config import load
from hal.catalog import pins_of

DOCS = Path(__file__).parents[2] / "docs"
SPEC = importlib.util.spec_from_file_location("docs_wiring", DOCS / "wiring.py")
assert SPEC is not None
assert SPEC.loader is not None
wiring = importlib.util.module_from_spec(SPEC)
sys.modules["docs_wiring"] = wiring
SPEC.loader.exec_module(wiring)

PROFILES = sorted(wiring.PROFILES.glob("*.toml"))
SVG = "{http://www.w3.org/2000/svg}"


def test_there_is_one_picture_for_each_profile():
    assert PROFILES
    assert {path.stem for path in (DOCS / "wiring").glob("*.svg")} == {path.stem for path in PROFILES}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_it_is_not_stale(profile):
    shipped = (DOCS / "wiring" / f"{profile.stem}.svg").read_text("utf-8")
    assert shipped == wiring.picture(profile), "run: python docs/wiring.py"


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_every_line_of_the_profile_is_drawn(profile):
    config = load(profile)
    parts = [part for part in map(config.part, wiring.PORTS) if part is not None]
    lines = {line for part in [*parts, *config.keypads().values()] for line in pins_of(part.settings).values()}
    drawn = {int(line): int(pin) for pin, line in re.findall(r"pin (\d+) · GPIO (\d+)", wiring.picture(profile))}
    assert lines <= set(drawn)
    # What is drawn beside them: the clock chip and the header's serial line.
    assert set(drawn) - lines <= {2, 3, 14, 15}
    assert all(wiring.HEADER[line] == pin for line, pin in drawn.items())


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_its_words_fit_into_it(profile):
    """By a generous estimate of 0.6 of the size a letter; the fonts of a reader are not known."""
    root = ET.fromstring(wiring.picture(profile))
    for text in root.iter(f"{SVG}text"):
        width = 0.6 * float(text.get("font-size", 13)) * len(text.text or "")
        left = float(text.attrib["x"]) - {"end": width, "middle": width / 2, None: 0}[text.get("text-anchor")]
        assert left >= 0
        assert left + width <= float(root.attrib["width"]), text.text


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_every_device_has_more_than_a_ground(profile):
    """A driver that the picture does not know would be drawn as a lone ground, which somebody would connect."""
    for device in wiring.devices(load(profile), ""):
        assert {terminal.supply for terminal in device.terminals} != {"GND"}, device.english


def test_the_header_is_the_one_of_every_pi():
    """Known pairs, and each of the 40 pins once: 28 lines, 8 grounds, 4 supplies."""
    known = {2: 3, 4: 7, 14: 8, 17: 11, 18: 12, 27: 13, 25: 22, 0: 27, 12: 32, 21: 40}
    assert {line: wiring.HEADER[line] for line in known} == known
    assert sorted([*wiring.HEADER.values(), *wiring.POWER]) == list(range(1, 41))
