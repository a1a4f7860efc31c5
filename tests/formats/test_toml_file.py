"""Files that people write: what is no TOML is refused under the caller's name for it."""

import pytest

from controller.formats.errors import Refused
from controller.formats.toml_file import parse_toml


def test_the_tables():
    assert parse_toml('[door]\nid = "zaal-é"\n'.encode(), "bad_config", "door.toml") == {"door": {"id": "zaal-é"}}
    assert parse_toml(b"", "bad_config", "door.toml") == {}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"[door\n", "not TOML"),
        (b"a = 1\na = 2\n", "not TOML"),
        ('name = "café"'.encode("latin-1"), "not UTF-8"),
        (b"\xff\xfe[\x00d\x00", "not UTF-8"),
    ],
)
def test_what_is_no_toml(content: bytes, text: str):
    with pytest.raises(Refused, match=text) as refused:
        parse_toml(content, "bad_config", "door.toml")
    assert (refused.value.code, refused.value.where) == ("bad_config", "door.toml")


def test_what_is_nested_too_deep_is_refused():
    with pytest.raises(Refused, match=r"unit\.toml: .*too deep"):
        parse_toml(b"a=" + b"[" * 5_000, "bad_config", "unit.toml")
