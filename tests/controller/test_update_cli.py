from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.update_cli import app


def test_before_the_first_update_there_is_nothing_to_say(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["status", "--own", str(tmp_path)])
    assert (said.exit_code, said.stdout) == (0, "null\n")


@pytest.mark.parametrize(
    "arguments", [["status", "--own", "FILE"], ["install", "--config", "FILE/door.toml"]], ids=["status", "install"]
)
def test_a_file_that_cannot_be_read_is_named_in_plain_words(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "file").touch()
    said = CliRunner().invoke(app, [each.replace("FILE", str(tmp_path / "file")) for each in arguments])
    assert said.exit_code == 1
    assert str(tmp_path / "file") in said.stderr
    assert "not a directory" in said.stderr.lower()
    assert "Errno" not in said.stderr
