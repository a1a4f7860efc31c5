"""What the stories share: a folder whose path is short enough for Unix sockets, a look for what was left behind, and
somebody who listens in at the broker of every demo."""

import tempfile
from pathlib import Path

import pytest

from simulator.demo import Demo
from tests.e2e.eavesdrop import overheard


@pytest.fixture(scope="session", autouse=True)
def nothing_overheard():
    """Whatever a test does in a demo of its own process: who reads along at the broker learns no code, no grant, no
    movement. (The story says so itself; the demos that run as a command are looked at in their own tests.)"""
    end = Demo.__exit__

    def listened(demo, kind, error, trace):
        found = overheard(demo.folders.root) if error is None and demo.folders.traffic.exists() else []
        end(demo, kind, error, trace)
        assert not found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Demo, "__exit__", listened)
        yield


@pytest.fixture(scope="module")
def short_folder():
    with tempfile.TemporaryDirectory(prefix="zs-e2e-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def left_running(short_folder):
    """The command lines of processes that still work below `short_folder`."""

    def look() -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue  # it ended while we looked
            if str(short_folder) in command:
                found.append(command)
        return found

    return look
