"""The threat model names a test for each of its lines; each one exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", DOCUMENT)))


@pytest.mark.parametrize("named", NAMED)
def test_every_named_test_exists(named: str):
    path, _, function = named.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert function in functions if function else any(name.startswith("test_") for name in functions)


def test_every_line_of_a_table_names_a_test():
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| ") and not line.startswith("| they")]
    assert len(rows) > 25
    assert [row for row in rows if "`tests/" not in row] == []
