"""The check that decides whether an upgrade stays, on a release whose programs are stand-ins."""

import os
import subprocess
from pathlib import Path

import pytest

HEALTH = Path(__file__).parents[2] / "firmware-config" / "debian" / "health"


@pytest.fixture
def release(tmp_path):
    """A release in its folder, with a door's configuration and a systemctl; each writes what it was asked."""
    stand_in(tmp_path / "bin/zaalsleutel")
    stand_in(tmp_path / "bin/python3")
    stand_in(tmp_path / "path/systemctl")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/door.toml").write_text("")
    (tmp_path / "running").mkdir()
    return tmp_path


def stand_in(path: Path, fails_on: str = "") -> None:
    path.parent.mkdir(exist_ok=True)
    refusal = f'case "$*" in *"{fails_on}"*) echo "it is broken" >&2; exit 1 ;; esac' if fails_on else ""
    path.write_text(f'#!/bin/sh\necho "{path.name} $*" >>"{path.parent.parent}/asked"\n{refusal}\n')
    path.chmod(0o755)


def check(release: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{release}/path:{os.environ['PATH']}",
        "ZAALSLEUTEL_ETC": f"{release}/etc",
        "ZAALSLEUTEL_RUNNING": f"{release}/running",
        "ZAALSLEUTEL_GPIO": f"{release}/gpiochip0",
        "ZAALSLEUTEL_PATIENCE_S": "1",
        "ZAALSLEUTEL_STAND_S": "0",
    }
    return subprocess.run([HEALTH, release], env=environment, capture_output=True, text=True, check=False)


def asked(release: Path) -> str:
    return (release / "asked").read_text()


def test_a_door_that_answers_is_healthy(release):
    done = check(release)
    assert (done.returncode, done.stderr) == (0, "")
    order = [asked(release).index(step) for step in ("door check", "systemctl restart", "door status", "is-active")]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("program", "fails_on", "complaint"),
    [
        ("bin/zaalsleutel", "camera --help", "the program does not start: zaalsleutel camera: it is broken"),
        ("bin/python3", "-c", "a library does not load: it is broken"),
        ("bin/zaalsleutel", "door check", "does not accept this door's configuration: it is broken"),
        ("path/systemctl", "restart", "the controller does not become ready"),
        ("bin/zaalsleutel", "door status", "the controller does not answer"),
        ("path/systemctl", "is-active", "the controller stopped again"),
    ],
)
def test_what_is_wrong_is_said(program, fails_on, complaint, release):
    stand_in(release / program, fails_on)
    done = check(release)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_a_bad_release_is_found_before_the_door_is_touched(release):
    stand_in(release / "bin/zaalsleutel", "door check")
    check(release)
    assert "systemctl" not in asked(release)


def test_a_machine_with_lines_needs_the_library_that_drives_them(release):
    stand_in(release / "bin/python3", "lgpio")
    assert check(release).returncode == 0
    (release / "gpiochip0").touch()
    assert "a library does not load" in check(release).stderr


def test_where_nothing_runs_nothing_is_restarted(release):
    (release / "running").rmdir()
    assert check(release).returncode == 0
    assert "door check" in asked(release)
    assert "systemctl" not in asked(release)


def test_a_machine_that_is_no_door_yet_is_healthy(release):
    (release / "etc/door.toml").unlink()
    assert check(release).returncode == 0
    assert "door check" not in asked(release)
