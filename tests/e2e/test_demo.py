"""The demo left running: the commands of the cheat sheet, and every way it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.demo_files import Folders
from tests.e2e.eavesdrop import overheard

pytestmark = pytest.mark.e2e

SIM = (sys.executable, "-m", "zaalsleutel", "sim")
PATIENCE_S = 120
REF = "demo-by-hand"  # long: three letters of base64 would be overheard by chance


@pytest.fixture
def demo(short_folder, monkeypatch):
    """A demo being started, well known in a run folder of its own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_folder))
    process = subprocess.Popen(
        [*SIM, "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(short_folder)},
    )
    yield process
    process.kill()
    process.communicate()


def sim(*arguments: str) -> dict[str, Any]:
    done = subprocess.run([*SIM, *arguments, "--json"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def in_service(demo: subprocess.Popen[str]) -> dict[str, Any]:
    """Its addresses, which it prints when everything is up."""
    assert demo.stdout is not None
    here: dict[str, Any] = json.loads(demo.stdout.readline())
    return here


def wait_for_grants(number: int) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while sim("status")["grants"] != number:
        assert time.monotonic() < deadline_s


def test_the_cheat_sheet_works_until_sigterm(demo, left_running):
    here = in_service(demo)
    made = sim("reserve", "--ref", REF)
    wait_for_grants(1)
    sim("keys", made["pin"])
    assert sim("push", "--wait", "5")["result"] == "opened"
    sim("close")
    sim("cut")
    assert sim("state")["cable"] is False
    sim("mend")
    sim("exit-button")
    sim("inside")
    sim("close")
    sim("show", made["picture"], "--seconds", "1")
    assert sim("push", "--wait", "5")["result"] == "opened"
    assert sim("cancel", REF)["state"] == "cancelled"
    wait_for_grants(0)
    assert sim("status")["door"] == here["door"]
    assert overheard(Path(here["directory"])) == []
    demo.terminate()
    assert demo.wait(PATIENCE_S) == 0
    assert left_running() == []
    assert not os.path.exists(here["directory"])
    gone = subprocess.run([*SIM, "push"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert gone.returncode == 1 and "no demo is running" in gone.stderr


def test_a_child_that_dies_is_named_and_ends_the_demo(demo, left_running):
    here = in_service(demo)
    (hub,) = (pid for pid in os.listdir("/proc") if pid.isdigit() and _is(pid, "hub serve", here["directory"]))
    os.kill(int(hub), signal.SIGKILL)
    _, said = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 1
    assert "hub ended by itself (signal SIGKILL)" in said
    assert left_running() == []


def test_ctrl_c_while_starting_leaves_nothing(demo, left_running, short_folder):
    while not left_running():  # until something of it runs
        assert demo.poll() is None
    demo.send_signal(signal.SIGINT)
    assert demo.wait(PATIENCE_S) == 0
    assert left_running() == []
    assert not list(short_folder.glob("zs-*"))


def test_a_demo_that_was_killed_goes_on_in_its_folder(short_folder, monkeypatch, left_running):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_folder))
    folder = short_folder / "demo"
    with _demo_in(folder) as demo:
        in_service(demo)
        made = sim("reserve", "--ref", REF)
        wait_for_grants(1)
        command = [*SIM, "demo", "--directory", folder]
        other = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert other.returncode == 1 and "another demo runs" in other.stderr
        demo.kill()
    with _demo_in(folder) as demo:
        in_service(demo)
        wait_for_grants(1)
        sim("keys", made["pin"])
        assert sim("push", "--wait", "5")["result"] == "opened"
        while "access.in" not in [event["type"] for event in sim_events()]:
            assert demo.poll() is None
        demo.terminate()
        assert demo.wait(PATIENCE_S) == 0
    assert left_running() == []


def test_a_folder_whose_demo_never_came_up_is_named(short_folder):
    half = short_folder / "half"
    Folders(half).make()
    command = [*SIM, "demo", "--directory", half]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1 and "ended before its door was one" in done.stderr


@contextmanager
def _demo_in(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [*SIM, "demo", "--json", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def sim_events() -> list[dict[str, Any]]:
    done = subprocess.run([*SIM, "events", "--json"], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    events: list[dict[str, Any]] = json.loads(done.stdout)
    return events


def _is(pid: str, words: str, folder: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            command = file.read().replace(b"\0", b" ").decode()
    except OSError:
        return False
    return words in command and folder in command
