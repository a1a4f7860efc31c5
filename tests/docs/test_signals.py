"""The pictures of light and sound are drawn from the drivers' rhythms, in both languages, and are not stale."""

import importlib.util
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hal.ports import SIGNALS, SOUNDS

DOCS = Path(__file__).parents[2] / "docs"
SPEC = importlib.util.spec_from_file_location("docs_signals", DOCS / "signals.py")
assert SPEC is not None
assert SPEC.loader is not None
signals = importlib.util.module_from_spec(SPEC)
sys.modules["docs_signals"] = signals
SPEC.loader.exec_module(signals)

SVG = "{http://www.w3.org/2000/svg}"
languages = pytest.mark.parametrize("language", signals.LANGUAGES)


@languages
def test_it_is_not_stale(language):
    shipped = (DOCS / "signals" / f"{language}.svg").read_text("utf-8")
    assert shipped == signals.picture(language), "run: python docs/signals.py"


@languages
def test_every_signal_and_sound_is_in_it(language):
    named = set(re.findall(r'font-family="monospace"[^>]*>(\w+)<', signals.picture(language)))
    assert named >= {*SIGNALS}
    assert {*SOUNDS} - named == {"silence"}
    assert "number" in named


@languages
def test_its_words_fit_into_it(language):
    """By a generous estimate of 0.62 of the size a letter; the fonts of a reader are not known."""
    root = ET.fromstring(signals.picture(language))
    for text in root.iter(f"{SVG}text"):
        width = 0.62 * float(text.get("font-size", 14)) * len(text.text or "")
        left = float(text.attrib["x"]) - {"end": width, "middle": width / 2, None: 0}[text.get("text-anchor")]
        assert left >= 0
        assert left + width <= float(root.attrib["width"]), text.text


def test_rhythms_that_mean_different_things_differ():
    lights = [signals.rhythm_in_colour(signal) for signal in SIGNALS]
    bare = [(*((level != "dark", ms) for level, ms in light.steps), light.forever) for light in lights]
    assert len(set(bare)) == len(SIGNALS), "told apart without colour"
