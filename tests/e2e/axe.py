"""axe-core, which looks for what shuts people out of a page. Half a megabyte, so it is fetched and not kept here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = "axe-core@4.10.3"


def axe_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its script, fetched once a session. Skips where it cannot be had."""
    folder = tmp_path_factory.getbasetemp() / "axe"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if script.exists():
        return script
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, which fetches axe-core: apt-get install npm")
    folder.mkdir(exist_ok=True)
    fetch = ["npm", "install", "--silent", "--no-save", "--prefix", str(folder), PACKAGE]
    if subprocess.run(fetch, capture_output=True, check=False, timeout=120).returncode:
        pytest.skip(f"npm could not fetch {PACKAGE}")
    return script
