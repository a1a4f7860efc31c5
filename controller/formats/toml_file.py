"""What people write for us: TOML in UTF-8, refused with the name of the file."""

from __future__ import annotations

import tomllib
from typing import Any

from controller.formats.errors import Refused


def parse_toml(content: bytes, code: str, where: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises Refused `code`, whose `where` is the file's name as given here."""
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise Refused(code, where, "cannot be read: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise Refused(code, where, f"not TOML: {error}") from None
    except RecursionError:
        raise Refused(code, where, "not TOML that anybody would write: nested too deep") from None
