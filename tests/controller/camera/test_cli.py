"""The commands `zaalsleutel qr read` and `zaalsleutel camera run`."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from controller.camera.cli import app, qr_app
from tests.controller.camera.scenes import PASS, centred, code, png, scene

FOREIGN = "\x1b[2Jhttps://example.org/[bold]é"


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pass.png").write_bytes(png(centred(code())))
    (tmp_path / "empty.png").write_bytes(png(scene()))
    (tmp_path / "foreign.png").write_bytes(png(centred(code(FOREIGN.encode()))))
    (tmp_path / "notes.txt").write_text("no picture")


def qr_read(*arguments: str):
    return CliRunner().invoke(qr_app, ["read", *arguments], env={"COLUMNS": "200"})


@pytest.mark.usefixtures("pictures")
def test_json_is_a_line_per_image_in_the_order_given():
    done = qr_read("--json", "pass.png", "empty.png", "foreign.png", "pass.png")
    assert done.exit_code == 0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(answer["image"], answer["texts"]) for answer in answers] == [
        ("pass.png", [PASS]),
        ("empty.png", []),
        ("foreign.png", [FOREIGN]),
        ("pass.png", [PASS]),
    ]
    assert all(set(answer) == {"image", "texts", "ms"} and answer["ms"] > 0 for answer in answers)


@pytest.mark.usefixtures("pictures")
def test_an_image_that_cannot_be_opened_has_its_error_and_the_others_are_read():
    done = qr_read("--json", "missing.png", "notes.txt", "pass.png")
    assert done.exit_code == 1
    missing, notes, shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert "No such file" in missing["error"]
    assert "not an image" in notes["error"]
    assert missing["texts"] == notes["texts"] == []
    assert shown["texts"] == [PASS]
    assert "error" not in shown


@pytest.mark.usefixtures("pictures")
def test_the_table_shows_texts_in_full_and_sends_none_to_the_terminal_raw():
    done = qr_read("pass.png", "empty.png", "foreign.png", "notes.txt")
    assert done.exit_code == 1
    assert PASS in done.stdout
    assert r"\x1b[2Jhttps://example.org/[bold]é" in done.stdout
    assert "\x1b[2J" not in done.stdout
    assert "not an image" in done.stdout


def test_a_mistake_in_the_configuration_is_one_line(tmp_path):
    config = tmp_path / "door.toml"
    config.write_text('door = {sockets = "/run/x"}\ncamera = {driver = "opencv", sauce = "0"}')
    done = CliRunner().invoke(app, ["run", "--config", str(config)])
    assert done.exit_code == 1
    assert done.stderr.startswith("[camera] sauce: ")
    assert done.stderr.count("\n") == 1


def test_help_loads_no_decoder():
    program = (
        "import sys; from controller.camera import cli\n"
        "assert not {'cv2', 'numpy', 'zxingcpp', 'hal.catalog'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
