"""The units of the door unit, as text and as systemd reads them.

`systemd-analyze verify` exits 0 on a setting it does not know, so any output of it is a failure.
"""

import re
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from zaalsleutel import ROOMS

REPOSITORY = Path(__file__).parents[2]
SHIPPED = REPOSITORY / "systemd"
INSTALLED = "/opt/zaalsleutel/current/bin/zaalsleutel"
PYTHON = "/opt/zaalsleutel/current/bin/python3"
CONFIRM = "/opt/zaalsleutel/current/firmware-config/debian/confirm"
SERVICES = ("controller", "camera", "camera-inside", "agent", "display", "clock")
# Tenths of the exposure level systemd gives, 0 to 100. What is left is each purpose: devices, network, or clock.
EXPOSURE = {"controller": 4, "camera": 4, "camera-inside": 4, "agent": 10, "display": 9, "clock": 5}
# What is run now and then, and is not part of the target.
ONE_SHOTS = {"update": 28, "update-confirm": 28, "doctor": 2}
LEASE_S = 10

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def effective(service: str) -> dict[str, list[str]]:
    """The settings of a service as systemd reads them: the unit, then the drop-ins by file name."""
    unit = SHIPPED / f"zaalsleutel-{service}.service"
    folders = SHIPPED / "zaalsleutel-.service.d", SHIPPED / f"{unit.name}.d"
    drop_ins = sorted((path for folder in folders for path in folder.glob("*.conf")), key=lambda path: path.name)
    settings: dict[str, list[str]] = {}
    for path in (unit, *drop_ins):
        for name, value in re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE):
            settings.setdefault(name, []).append(value)
    return settings


@pytest.fixture
def installed(tmp_path):
    """The units beside a command that exists."""
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        unit.write_text(re.sub("/opt/zaalsleutel/current/[^ \n]*", "/bin/true", unit.read_text()))
    return tmp_path


@needs_systemd
def test_systemd_understands_every_word(installed):
    units = [str(path) for path in installed.iterdir() if path.is_file() and path.suffix != ".md"]
    assert len(units) == len(SERVICES) + len(ONE_SHOTS) + len({"target", "path", "timer"})
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("service", [*SERVICES, *ONE_SHOTS])
def test_exposure_does_not_grow(service, installed):
    most = (EXPOSURE | ONE_SHOTS)[service]
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={most}"]
    unit = str(installed / f"zaalsleutel-{service}.service")
    done = subprocess.run([*command, unit], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_in_the_readme_is_this_one():
    rows = re.findall(
        r"^\| `zaalsleutel-([\w-]+)` \| `([\w-]+)` .* ([\d.]+) \|$", (SHIPPED / "README.md").read_text(), re.M
    )
    assert rows == [(name, effective(name)["User"][-1], f"{EXPOSURE[name] / 10}") for name in SERVICES]


def test_each_process_has_an_account_of_its_own():
    accounts = {effective(service)["User"][-1] for service in SERVICES}
    assert len(accounts) == len(SERVICES)
    assert accounts == _declared("u")
    groups = " ".join(line for service in SERVICES for line in effective(service).get("SupplementaryGroups", []))
    assert set(groups.split()) <= _declared("u") | _declared("g")


def _declared(kind: str) -> set[str]:
    sysusers = (REPOSITORY / "firmware-config" / "sysusers" / "zaalsleutel.conf").read_text()
    return set(re.findall(rf"^{kind}\s+(\S+)", sysusers, re.MULTILINE))


def test_authority_is_divided():
    """No process has both the network and a device; the lock and the camera are in different ones."""
    controller, camera, inside, agent, display, clock = map(effective, SERVICES)
    networks = [unit["PrivateNetwork"][-1] for unit in (controller, camera, inside, agent, display, clock)]
    assert networks == ["yes", "yes", "yes", "no", "no", "yes"]
    assert "DeviceAllow" not in clock and clock["PrivateDevices"] == ["yes"]
    assert "char-gpiochip rw" in controller["DeviceAllow"]
    assert not {"char-gpiochip rw", "char-input r"} & set(camera["DeviceAllow"])
    for networked in (agent, display):
        assert networked["PrivateDevices"] == ["yes"]
        assert "DeviceAllow" not in networked
    # The last word on addresses: the agent may speak to any, the display to this machine's own browser.
    assert [unit["IPAddressAllow"][-1] for unit in (agent, display)] == ["any", "localhost"]


def test_the_two_cameras_differ_in_nothing_but_their_side():
    outside, inside = effective("camera"), effective("camera-inside")
    differing = {name for name in outside | inside if outside.get(name) != inside.get(name)}
    assert differing == {"Description", "ExecCondition", "ExecStart", "User"}


def test_the_devices_are_given_to_the_accounts_that_may_use_them():
    """The controller is in no group of others: udev gives its devices to its account, so `gpio` opens nothing."""
    rules = (REPOSITORY / "firmware-config" / "udev" / "99-zaalsleutel-devices.rules").read_text()
    assert "SupplementaryGroups" not in effective("controller")
    for subsystem in ("gpio", "tty", "input", "rtc"):
        assert re.search(rf'^SUBSYSTEM=="{subsystem}".*GROUP="zs-door"', rules, re.MULTILINE), subsystem
    assert effective("camera")["SupplementaryGroups"] == ["video"]
    # What udev gives and what the sandbox lets through are the same devices, and nobody else's.
    given = {"input" if name == "event" else name for name in re.findall(r"(\w+)\[0-9\]\*", rules)}
    assert given == {word.split()[0].removeprefix("char-") for word in effective("controller")["DeviceAllow"]}
    assert {mode[-1] for mode in re.findall(r'MODE="(\d+)"', rules)} == {"0"}


def test_the_gpio_library_may_write_where_it_runs():
    """lgpio leaves its notification pipes in LG_WD and drives nothing where it cannot; they are not among the sockets,
    and gpiozero reads the board's revision where `ProcSubset=pid` would hide it."""
    controller = effective("controller")
    (pipes,) = [value.partition("LG_WD=")[2] for value in controller["Environment"] if "LG_WD=" in value]
    sockets, *others = controller["RuntimeDirectory"][-1].split()
    assert pipes in {f"/run/{folder}" for folder in others} and pipes != f"/run/{sockets}"
    assert controller["ProcSubset"][-1] == "all"


def test_a_socket_is_given_to_the_role_that_may_connect():
    """By root, after the controller made them; without following a link that the controller could have planted."""
    given = [line.split() for line in effective("controller")["ExecStartPost"]]
    assert [(command, option) for command, option, _, _ in given] == [("+/bin/chgrp", "-h")] * len(given)
    accounts = {"camera": "camera", "camera_inside": "camera-inside", "sync": "agent", "display": "display"}
    for _, _, group, path in given:
        assert group == effective(accounts[Path(path).stem])["User"][-1]
    assert {Path(path).stem for *_, path in given} == set(accounts)


@pytest.mark.parametrize("service", SERVICES)
def test_it_starts_again_for_ever(service):
    settings = effective(service)
    assert settings["Type"] == ["notify"]
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]
    assert int(settings["WatchdogSec"][-1]) > 0


@pytest.mark.parametrize("service", [*SERVICES, *ONE_SHOTS])
def test_its_memory_is_written_nowhere_and_a_hung_one_ends_at_once(service):
    """Memory holds keys; and the lock waits for no handler of a gentler signal."""
    settings = effective(service)
    assert (settings["LimitCORE"], settings["WatchdogSignal"]) == (["0"], ["SIGKILL"])


@pytest.mark.parametrize("service", [*SERVICES, *ONE_SHOTS])
def test_it_is_skipped_where_nobody_has_made_a_door_yet(service):
    """The condition of the target alone keeps nothing from being started by it."""
    assert "/etc/zaalsleutel/door.toml" in effective(service)["ConditionPathExists"]


def test_the_lock_is_made_safe_however_the_controller_ends():
    controller = effective("controller")
    assert controller["ExecStopPost"] == [f"{INSTALLED} door secure --config /etc/zaalsleutel/door.toml"]
    assert int(controller["WatchdogSec"][-1]) + int(controller["RestartSec"][-1]) < LEASE_S


def test_no_door_stays_dead_or_silent_when_a_start_was_called_off():
    """Restart= says nothing about a job that failed for a dependency, such as a data partition that came late."""
    target = (SHIPPED / "zaalsleutel.target").read_text()
    on_the_partition = [name for name in SERVICES if "StateDirectory" in effective(name)]
    (upheld,) = re.findall(r"^Upholds=(.*)$", target, re.MULTILINE)
    assert upheld.split() == [f"zaalsleutel-{name}.service" for name in on_the_partition]


def test_an_update_is_installed_without_network_once():
    update = effective("update")
    assert (update["Type"][-1], update["Restart"][-1], update["PrivateNetwork"][-1]) == ("oneshot", "no", "yes")
    assert update["IPAddressDeny"] == ["any"] and "IPAddressAllow" not in update
    watched = re.findall(r"^Path\w+=(.*)$", (SHIPPED / "zaalsleutel-update.path").read_text(), re.M)
    assert watched == ["/var/lib/zaalsleutel-agent/update/manifest.json"]


def test_the_doctor_comes_every_night_and_sees_no_more_than_the_controller():
    doctor = effective("doctor")
    assert (doctor["Type"][-1], doctor["Restart"][-1], doctor["User"]) == ("oneshot", "no", ["zs-door"])
    assert doctor["PrivateDevices"] == ["yes"]
    # The agent's file holds its private key as well: only the certificate leaves the agent's folder.
    assert 'sed -n "/BEGIN CERT/,/END CERT/p"' in doctor["ExecStartPre"][0]
    timer = (SHIPPED / "zaalsleutel-doctor.timer").read_text()
    assert "OnCalendar=*-*-* 03:00" in timer and "RandomizedDelaySec=" in timer


@pytest.mark.parametrize("service", [*SERVICES, *ONE_SHOTS])
def test_every_relaxation_gives_its_reason(service):
    relaxed = (SHIPPED / f"zaalsleutel-{service}.service.d" / "20-relaxed.conf").read_text()
    head, *lines = relaxed.splitlines()
    assert head == "[Service]"
    blocks = [list(block) for filled, block in groupby(lines, key=bool) if filled]
    assert all(block[0].startswith("# ") and not block[-1].startswith("#") for block in blocks), blocks


@pytest.mark.parametrize("service", [*SERVICES, *ONE_SHOTS])
def test_the_commands_exist(service):
    settings = effective(service)
    for line in settings["ExecStart"] + settings.get("ExecStopPost", []):
        if line == CONFIRM:
            continue  # a script, tried in test_confirm.py
        command, room, *words = line.removesuffix("\\").split()
        if command == PYTHON:
            continue  # a module, started in test_clock_teller.py
        assert command == INSTALLED
        if room not in ROOMS:
            pytest.skip(f"this version has no room {room!r} yet; its unit is not enabled")
        verb = [] if words[0].startswith("--") else words[:1]
        done = subprocess.run(
            [sys.executable, "-m", "zaalsleutel", room, *verb, "--help"],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert all(option in done.stdout for option in words if option.startswith("--"))
