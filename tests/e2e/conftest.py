"""What the stories share: a folder whose path is short enough for Unix sockets, and a look for what was left behind."""

import tempfile
from pathlib import Path

import pytest


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
