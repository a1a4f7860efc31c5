"""A planted bug: a patch file whose first line says what it does, and optionally a line `Found by: TEST`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "bugs"
NEEDED = ("controller", "hal", "sync", "simulator", "tests", "docs", "firmware-config")
FILES = ("zaalsleutel.py", "pyproject.toml")


@dataclass(frozen=True)
class Bug:
    """`test` is the test file that finds what no world can show, None where worlds find it."""

    name: str
    what: str
    test: str | None
    patch: Path

    def plant(self, folder: Path) -> None:
        """A copy of the project with this bug in `folder`. Raises ValueError when the patch does not fit any more."""
        for name in NEEDED:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "bugs"))
        for name in FILES:
            shutil.copy(ROOT / name, folder / name)
        self._apply(folder)

    def check(self) -> None:
        """Raises ValueError when the patch does not fit the project any more."""
        self._apply(ROOT, "--check")

    def _apply(self, folder: Path, *options: str) -> None:
        command = ["git", "apply", *options, str(self.patch)]
        # Outside a repository `git apply` patches plain files; inside one it would look for the paths from its top.
        outside = {**os.environ, "GIT_DIR": os.devnull}
        done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, env=outside)
        if done.returncode:
            raise ValueError(f"{self.patch.name} does not fit: {done.stderr.strip()}")


def read(patch: Path) -> Bug:
    """The bug in a patch file."""
    head = patch.read_text("utf-8").split("\n--- ", 1)[0]
    found_by = re.search(r"^Found by: (\S+)$", head, re.MULTILINE)
    return Bug(patch.stem, head.splitlines()[0], found_by[1] if found_by else None, patch)


def all_bugs() -> list[Bug]:
    """Every planted bug, by name."""
    return [read(patch) for patch in sorted(FOLDER.glob("*.patch"))]
