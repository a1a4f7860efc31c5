"""Log lines are JSON and hold no code, whatever was handed to the logger."""

import json
import logging

import pytest

from sync.hub.logs import JsonLines, blot


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("PIN 482913 refused", "PIN … refused"),
        ("code 48291357.", "code …."),
        ("qr ZS1:CI4KV6COR4KFIIYASZVFLLRMFNYWEL6O4R4SG2XSVKDIV2OWXMTJMYGP read", "qr … read"),
        ("Authorization: Bearer booking.Zm9v", "Authorization: Bearer …"),
        ("hall-1/0011/42 at 2026-07-17", "hall-1/0011/42 at 2026-07-17"),
    ],
)
def test_what_looks_like_a_code_is_blotted_out(said, written):
    assert blot(said) == written


def test_a_line_is_json_with_its_trace():
    try:
        raise ValueError("secret 482913")
    except ValueError:
        record = logging.getLogger("sync.hub.test").makeRecord(
            "sync.hub.test", logging.ERROR, "x", 1, "it %s", ("failed",), __import__("sys").exc_info()
        )
    line = json.loads(JsonLines().format(record))
    assert (line["level"], line["where"], line["text"]) == ("error", "sync.hub.test", "it failed")
    assert "482913" not in line["trace"]
    assert line["at"].endswith("Z")
