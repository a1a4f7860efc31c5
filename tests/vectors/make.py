"""Makes the golden vectors: `python -m tests.vectors.make` writes the JSON files beside this one.

Everything is deterministic: keys come from fixed seeds and ECDSA takes its nonce from RFC 6979, so a change of a format
shows as a difference in these files. What each member means is in README.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vectors.command_cases import commands
from tests.vectors.encrypted_cases import encrypted_cases
from tests.vectors.envelope_cases import envelopes
from tests.vectors.list_cases import lists, passes, pins
from tests.vectors.log_cases import events, receipts, socket_lines, statements, states
from tests.vectors.trust_cases import trusts

HERE = Path(__file__).parent

FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "envelopes.json": envelopes,
    "qr_passes.json": passes,
    "pins.json": pins,
    "lists.json": lists,
    "events.json": events,
    "statements.json": statements,
    "receipts.json": receipts,
    "states.json": states,
    "trusts.json": trusts,
    "encrypted.json": encrypted_cases,
    "commands.json": commands,
    "messages.json": socket_lines,
}


def spelled(name: str) -> str:
    """The text of one vector file."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for file_name in FILES:
        (HERE / file_name).write_text(spelled(file_name), encoding="utf-8")
