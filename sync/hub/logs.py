"""The hub's log: one JSON object a line on standard error, where systemd's journal takes it from.

    {"at": "2026-07-17T12:00:00.123Z", "level": "info", "where": "sync.hub.link", "text": "connected to the broker"}

No code and no token is logged anywhere; as a second line of defence, what looks like one is blotted out: QR texts, runs
of 6 to 8 digits that stand alone, bearer and basic credentials.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

_SECRETS = re.compile(
    r"ZS1:[A-Z2-7]+|(?<![\w.:/-])\d{6,8}(?![\w:/-]|\.\d)|(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9+/=._~-]+"
)


class JsonLines(logging.Formatter):
    """One record, one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"at": at, "level": record.levelname.lower(), "where": record.name, "text": blot(record.getMessage())}
        if record.exc_info:
            line["trace"] = blot(self.formatException(record.exc_info))
        return json.dumps(line)


def blot(text: str) -> str:
    """`text` without anything that looks like a code or a token."""
    return _SECRETS.sub("…", text)


def start_logging(level: int = logging.INFO) -> None:
    """Log the whole process this way from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Uvicorn's access log would name every reservation with the address that asked; /metrics counts instead.
    logging.getLogger("uvicorn.access").disabled = True
