"""What settles an update that a restart came between: a release that serves stays, another gives way, once."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from controller.formats.encoding import canonical
from controller.updater import PENDING, RESULT, Result, last_result

CONFIRM = Path(__file__).parents[2] / "firmware-config" / "debian" / "confirm"
TRYING = Result(tried=7, version="0.2.0-1+deb12", outcome="restarting", manifest="ab" * 32)


class Unit:
    """A unit in a folder after a restart. `healthy` is what the release in use says of itself; other programs write
    down that they were asked."""

    def __init__(self, folder: Path, healthy: bool = True, overlay: bool = True) -> None:
        self.own, self.base, self.asked = folder / "own", folder / "opt", folder / "asked"
        for release in ("releases/0.2.0", "previous"):
            (self.base / release / "firmware-config/debian").mkdir(parents=True)
            (self.base / release / "systemd").mkdir()
            (self.base / release / "systemd/unit").write_text(release)
        (self.base / "current").symlink_to("releases/0.2.0")
        self._program(self.base / "releases/0.2.0/firmware-config/debian/health", f"exit {int(not healthy)}")
        self.own.mkdir()
        (self.own / RESULT).write_bytes(canonical(TRYING))
        (self.own / PENDING).touch()
        (folder / "units").mkdir()
        self._program(folder / "path/systemctl", "")
        # As the real one, which ends well whatever came of its command.
        self._program(folder / "path/overlayroot-chroot", f'[ -e "{folder}/worn-out" ] || "$@" || true')
        (folder / "mounts").write_text("overlayroot / overlay rw 0 0\n" if overlay else "/dev/sda1 / ext4 rw 0 0\n")
        self.environment = {
            "PATH": f"{folder}/path:{os.environ['PATH']}",
            "ZAALSLEUTEL_UPDATE": str(self.own),
            "ZAALSLEUTEL_BASE": str(self.base),
            "ZAALSLEUTEL_UNITS": f"{folder}/units/",
            "ZAALSLEUTEL_MOUNTS": f"{folder}/mounts",
        }
        self.units = folder / "units"

    def _program(self, path: Path, rest: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>"{self.asked}"\n{rest}\n')
        path.chmod(0o755)

    def confirm(self) -> str:
        """Run it; what came of the update by its word."""
        subprocess.run([CONFIRM], env=self.environment, check=True, capture_output=True)
        result = last_result(self.own)
        assert result is not None and result == msgspec.structs.replace(TRYING, outcome=result.outcome)
        assert not (self.own / PENDING).exists() and not (self.own / "trying").exists(), "settled is settled"
        return result.outcome

    @property
    def in_use(self) -> str:
        return os.readlink(self.base / "current")


def test_a_release_that_serves_stays(tmp_path):
    unit = Unit(tmp_path)
    assert (unit.confirm(), unit.in_use) == ("installed", "releases/0.2.0")
    assert "reboot" not in unit.asked.read_text()
    assert (unit.own / RESULT).stat().st_mode & 0o777 == 0o644, "the agent reads it"


@pytest.mark.parametrize("overlay", [True, False])
def test_one_that_does_not_gives_way_on_the_root_that_stays(tmp_path, overlay):
    unit = Unit(tmp_path, healthy=False, overlay=overlay)
    assert (unit.confirm(), unit.in_use) == ("rolled_back", "previous")
    assert (unit.units / "unit").read_text() == "previous"
    asked = unit.asked.read_text()
    assert ("overlayroot-chroot" in asked) is overlay
    assert "systemctl --no-block reboot" in asked


@pytest.mark.parametrize("flaw", ["worn-out", "units"])
def test_a_root_that_could_not_be_changed_is_not_said_to_be(tmp_path, flaw):
    """The card takes no more writes; or one thing could be put back and another not."""
    unit = Unit(tmp_path, healthy=False)
    shutil.rmtree(unit.units)
    (tmp_path / flaw).touch()
    with pytest.raises(subprocess.CalledProcessError):
        unit.confirm()
    assert last_result(unit.own) == TRYING and (unit.own / PENDING).exists() and unit.in_use == "releases/0.2.0"
    assert "reboot" not in unit.asked.read_text()


def test_one_that_did_not_get_so_far_is_not_tried_a_second_time(tmp_path):
    """The watchdog restarted the machine while it was being tried."""
    unit = Unit(tmp_path)
    (unit.own / "trying").mkdir()
    assert (unit.confirm(), unit.in_use) == ("rolled_back", "previous")
    assert "health" not in unit.asked.read_text()


def test_power_that_went_before_dpkg_came_to_its_end_leaves_the_release_before(tmp_path):
    unit = Unit(tmp_path)
    (unit.own / RESULT).write_bytes(canonical(msgspec.structs.replace(TRYING, outcome="installing")))
    (unit.base / "current").unlink()
    (unit.base / "current").symlink_to("previous")
    assert (unit.confirm(), unit.in_use) == ("rolled_back", "previous")
    assert not unit.asked.exists(), "nothing is tried, nothing restarts"


def test_what_it_writes_is_what_it_found_but_for_the_outcome(tmp_path):
    unit = Unit(tmp_path)
    before = json.loads((unit.own / RESULT).read_text())
    unit.confirm()
    assert json.loads((unit.own / RESULT).read_text()) == {**before, "outcome": "installed"}
