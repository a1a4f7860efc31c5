"""`zaalsleutel doctor` beside a running unit on virtual hardware, and without one."""

import json
import threading
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from controller.checks import cli
from controller.checks.finding import Finding
from tests.controller.checks.machine_root import healthy
from tests.controller.wired_unit import wired_unit


@contextmanager
def turning(unit):
    """The unit's loop on a thread of its own, as its process would run it."""
    over = threading.Event()
    unit.start()

    def run() -> None:
        while not over.is_set():
            unit.runner.turn()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def doctor(tmp_path):
    root = healthy(tmp_path / "root")

    def run(*options: str):
        arguments = ["--config", str(tmp_path / "door.toml"), "--root", str(root), *options]
        return CliRunner().invoke(cli.app, arguments)

    return run


@pytest.fixture
def unit(tmp_path, monkeypatch):
    with wired_unit(tmp_path, monkeypatch) as unit:
        yield unit


def found(result) -> dict[str, str]:
    return {finding["check"]: finding["colour"] for finding in json.loads(result.stdout)["findings"]}


def test_beside_a_running_unit(unit, doctor):
    with turning(unit):
        result = doctor("--json")
    colours = found(result)
    assert colours["controller"] == colours["clock"] == colours["relay"] == colours["keypad outside"] == "green"
    assert colours["list"] == "red", "this unit was never enrolled"
    assert (json.loads(result.stdout)["colour"], result.exit_code) == ("red", 2)


def test_without_a_unit_the_rest_is_still_checked(unit, doctor):
    colours = found(doctor("--json"))
    assert colours["controller"] == "red"
    assert colours["wiring"] == colours["second keyboard"] == "green"


def test_for_people_the_worst_comes_first_with_one_thing_to_do(unit, doctor):
    result = doctor()
    assert result.exit_code == 2
    assert "First: controller: systemctl status zaalsleutel-controller" in result.stdout.replace("\n", " ")
    assert result.stdout.index("red") < result.stdout.index("green")


def test_a_mistyped_file_is_one_red_line(tmp_path, doctor):
    (tmp_path / "door.toml").write_text("[door]\nidd = 1\n")
    result = doctor("--json")
    assert (found(result), result.exit_code) == ({"wiring": "red"}, 2)


def test_a_key_press_is_heard(unit, doctor):
    with turning(unit):
        presser = threading.Timer(0.7, lambda: unit.keypad.press("5", 0))
        presser.start()
        result = doctor("--json", "--press")
        presser.join()
    assert found(result)["key press"] == "green"


def test_no_key_press_is_red(unit, doctor, monkeypatch):
    monkeypatch.setattr(cli, "PRESS_S", 0.3)
    with turning(unit):
        assert found(doctor("--json", "--press"))["key press"] == "red"


@pytest.mark.parametrize(("colour", "status"), [("green", 0), ("amber", 1), ("red", 2)])
def test_the_exit_status_is_the_worst_colour(unit, doctor, monkeypatch, colour, status):
    monkeypatch.setattr(cli, "_examine", lambda *_: [Finding("x", colour, "y")])
    assert doctor().exit_code == status
