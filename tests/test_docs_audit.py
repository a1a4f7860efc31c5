"""docs/audit.md names every command, damage and reason for a loss there is."""

import re
from pathlib import Path
from typing import get_args

import pytest

from controller.formats.event import EVENT_KINDS
from sync.hub.audit.cli import app
from sync.hub.audit.readings import BASES
from sync.hub.audit.verify import DamageKind

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "audit.md").read_text("utf-8")
NAMES = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_shown(name: str):
    assert f"zaalsleutel audit {name}" in TEXT


@pytest.mark.parametrize("word", [*get_args(DamageKind), *EVENT_KINDS, *BASES])
def test_every_word_is_explained(word: str):
    assert f"`{word}`" in TEXT


def test_every_reason_for_a_loss_is_explained():
    code = "".join(path.read_text("utf-8") for path in (ROOT / "controller").glob("*.py"))
    reasons = set(re.findall(r'Draft\("loss", "(\w+)"', code))
    assert reasons >= {"storage", "log_unreadable", "log_contradicted", "unsent_too_long"}
    assert all(f"| `{reason}` |" in TEXT for reason in reasons)
