"""adapters.toml: the example of its own documentation, and what may not be in it."""

import re
import shutil
from pathlib import Path

import pytest

from controller.formats.errors import Refused
from sync.hub.adapters import settings
from sync.hub.adapters.settings import FILE, Adapters, read_adapters
from sync.hub.artefacts.house_rules import FILE as HOUSE_RULES
from sync.hub.artefacts.house_rules import read_house_rules

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"
EXAMPLE = "".join(f"{line[4:]}\n" for line in (settings.__doc__ or "").splitlines() if line.startswith("    "))


def read(tmp_path, text: str) -> Adapters:
    (tmp_path / FILE).write_text(text)
    return read_adapters(tmp_path)


def test_the_example_in_the_documentation_is_good(tmp_path):
    adapters = read(tmp_path, EXAMPLE)
    assert adapters.feeds["cleaning"].per_attendee
    hook = adapters.hooks["i-reserve"]
    assert hook.secret_file == tmp_path / "secrets" / "i-reserve-hook"
    assert hook.fields.room == "objects[].id"


def test_the_examples_of_the_guide_are_good(tmp_path):
    for name in (FILE, HOUSE_RULES):
        shutil.copy(EXAMPLES / name, tmp_path / name)
    assert read_adapters(tmp_path).feeds["cleaning"].missing == "cancel"
    assert read_house_rules(tmp_path).name("https://data.example/id/INF001") == "Feestzaal"


def test_no_file_means_no_adapters(tmp_path):
    assert read_adapters(tmp_path) == Adapters()


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("[feeds.cleaning]", "[feeds.cleaning", FILE),
        ("https://planner", "http://planner", "[feeds.cleaning] url"),
        ("https://api", "ftp://api", "[hooks.i-reserve] fetch"),
        ("/bookings/{id}", "/bookings/", "fetch"),
        ("hmac-sha256", "none", "proof"),
        ("per_attendee = true", "password = 'x'", "feeds"),
        ('state = "status"', 'state = "$.status"', "fields"),
        ('confirmed = "active"', 'confirmed = "open"', "states"),
        ("[feeds.cleaning]", "[feeds.CLEANING]", "feeds"),
    ],
)
def test_what_may_not_be_in_it_is_named(tmp_path, old, new, where):
    assert old in EXAMPLE
    with pytest.raises(Refused) as refused:
        read(tmp_path, EXAMPLE.replace(old, new))
    assert refused.value.code == "bad_adapters"
    assert re.search(re.escape(where), str(refused.value))
