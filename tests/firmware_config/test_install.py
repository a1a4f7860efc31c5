"""The installer on a root as Raspberry Pi OS leaves it: what it changes, that twice is once, and what it keeps."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from controller.config import load
from hal.catalog import pins_of
from sync.agent.config import read_config

SHIPPED = Path(__file__).parents[2] / "firmware-config"
INSTALL = SHIPPED / "install"

PROFILE = """\
[door]
id = "door-id"
data = "/var/lib/zaalsleutel"
sockets = "/run/zaalsleutel"

[clock]
driver = "linux"

[lock]
driver = "gpio"
pin = 17

[light]
driver = "gpio"
pin = 18
"""
CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=1234-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
CONFIG = "dtparam=audio=on\n[cm4]\notg_mode=1\n"
FSTAB = "proc /proc proc defaults 0 0\nPARTUUID=1234-02 / ext4 defaults,noatime 0 1\n"


@pytest.fixture
def root(tmp_path):
    """What of Raspberry Pi OS 12 the installer looks at."""
    root = tmp_path / "root"
    for name, text in {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "etc/fstab": FSTAB,
        "boot/firmware/config.txt": CONFIG,
        "boot/firmware/cmdline.txt": CMDLINE,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def sys(tmp_path):
    """A /sys with a keypad, a disk on a stick, a hub and a telephone that wants to be a network."""
    devices = tmp_path / "sys" / "bus" / "usb" / "devices"
    plugged = {
        "usb1": ("1d6b", "0002", ["09"]),
        "1-1": ("2109", "3431", ["09"]),
        "1-1.1": ("046d", "c31c", ["03", "03"]),
        "1-1.2": ("0781", "5581", ["08"]),
        "1-1.3": ("18d1", "4ee4", ["ff", "02"]),
        "1-1.4": ("0403", "6001", ["ff"]),
    }
    for port, (vendor, product, classes) in plugged.items():
        device = devices / port
        device.mkdir(parents=True)
        (device / "idVendor").write_text(f"{vendor}\n")
        (device / "idProduct").write_text(f"{product}\n")
        for number, kind in enumerate(classes):
            interface = device / f"{port}:1.{number}"
            interface.mkdir()
            (interface / "bInterfaceClass").write_text(f"{kind}\n")
            (interface / "bInterfaceSubClass").write_text("06\n" if kind == "02" else "00\n")
    return tmp_path / "sys"


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "profile.toml"
    path.write_text(PROFILE)
    return path


@pytest.fixture
def install(root, sys, profile):
    """Run the installer on the root; its answer."""

    def run(*arguments: str, code: int = 0) -> str:
        options = ["--root", root, "--sys", sys, "--profile", profile, "--door", "hall-1", "--broker", "broker.example"]
        done = subprocess.run([INSTALL, *options, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def snapshot(root: Path) -> dict[str, tuple[int, str]]:
    """Every file, folder and link: mode, and content or target."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
        found[str(path.relative_to(root))] = (status.st_mode, content)
    return found


def test_twice_is_once(install, root):
    install("--data")
    first = snapshot(root)
    assert "nothing to do" in install("--data")
    assert snapshot(root) == first


def test_a_dry_run_changes_nothing_and_says_everything(install, root):
    fresh = snapshot(root)
    said = install("--dry-run", "--data")
    assert snapshot(root) == fresh
    would = set(re.findall(r"would change (\S+)$", said, re.MULTILINE))
    did = set(re.findall(r"^install: (/\S+)$", install("--data"), re.MULTILINE))
    assert did
    assert did <= would


def test_every_shipped_file_arrives(install, root):
    install("--data")
    arrived = {path.read_text() for path in root.rglob("*") if path.is_file() and not path.is_symlink()}
    exceptions = {"README.md", "install", "usb-pin", "zaalsleutel.txt", "zaalsleutel.fstab", "agent.toml"}
    for path in SHIPPED.rglob("*"):
        if (
            path.is_file()
            and path.parent.name not in {"mosquitto", "profiles", "debian"}
            and path.name not in exceptions
        ):
            assert path.read_text() in arrived, path


def test_both_processes_can_read_what_it_configured(install, root):
    install()
    door = load(root / "etc/zaalsleutel/door.toml")
    assert door.door.id == "hall-1"
    agent = read_config(root / "etc/zaalsleutel/agent.toml")
    assert (agent.door.id, agent.broker.host) == ("hall-1", "broker.example")
    assert agent.door.socket == f"{door.sockets}/sync.sock"


def test_an_enrolled_unit_is_told_its_broker_by_the_hub(install, root):
    install("--broker", "")
    agent = read_config(root / "etc/zaalsleutel/agent.toml")
    assert (agent.broker.host, agent.broker.private_key) == (None, None)


@pytest.mark.parametrize("shipped", sorted((SHIPPED / "profiles").glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_profile_makes_a_door(shipped, install, root):
    install("--profile", shipped.stem)
    door = load(root / "etc/zaalsleutel/door.toml")
    assert door.door.id == "hall-1"
    assert boot_lines(root)[-1] == f"gpio={pins_of(door.required('lock').settings)['pin']}=op,dl"


def test_configuration_that_exists_is_kept(install, root):
    (root / "etc/zaalsleutel").mkdir()
    own = PROFILE.replace("pin = 17", "pin = 22").replace("door-id", "hall-9")
    (root / "etc/zaalsleutel/door.toml").write_text(own)
    install()
    assert (root / "etc/zaalsleutel/door.toml").read_text() == own
    # The level from power-on belongs to the pin in use, not to the profile's.
    assert boot_lines(root)[-1] == "gpio=22=op,dl"


@pytest.mark.parametrize(("relay", "level"), [("", "dl"), ("active_low = true\nactive_low_confirmed = true\n", "dh")])
def test_the_lock_pin_is_off_from_power_on(relay, level, install, root, profile):
    profile.write_text(PROFILE.replace("pin = 17\n", f"pin = 17\n{relay}"))
    install()
    assert boot_lines(root)[-1] == f"gpio=17=op,{level}"
    assert "dtparam=strict_gpiod" in boot_lines(root)


def boot_lines(root: Path) -> list[str]:
    return (root / "boot/firmware/zaalsleutel.txt").read_text().splitlines()


def test_the_firmware_is_told_once_and_the_rest_is_left(install, root):
    install()
    install()
    config = (root / "boot/firmware/config.txt").read_text()
    assert config.startswith(CONFIG)
    assert config.count("include zaalsleutel.txt") == 1
    # What follows a filter of the file's own, such as [cm4], would count for that board only.
    assert config.endswith("[all]\ninclude zaalsleutel.txt\n")


def test_the_kernel_starts_with_usb_closed_and_the_serial_line_free(install, root):
    install()
    line = (root / "boot/firmware/cmdline.txt").read_text()
    assert line == CMDLINE.removeprefix("console=serial0,115200 ").rstrip() + " usbcore.authorized_default=0\n"


def test_without_a_data_partition_the_root_stays_writable_and_it_says_so(install, root):
    assert "no partition labelled zs-data" in install()
    assert (root / "etc/fstab").read_text() == FSTAB
    assert not (root / "etc/overlayroot.local.conf").exists()


def test_with_a_data_partition_only_that_is_written(install, root):
    install("--data")
    lines = (root / "etc/fstab").read_text().splitlines()
    assert "\n".join(lines).startswith(FSTAB.rstrip())
    (data,) = [line.split() for line in lines if line.startswith("LABEL=zs-data")]
    assert {"nodev", "nosuid", "noexec", "nofail"} <= set(data[3].split(","))
    binds = [line.split() for line in lines if line.startswith("/data/")]
    for source, target, _, options, *_ in binds:
        assert (root / target.lstrip("/")).is_dir()
        assert source == f"/data/{Path(target).name}"
        assert "x-systemd.requires-mounts-for=/data" in options
    assert not re.search(r"^tmpfs|overlay", "\n".join(lines), re.MULTILINE)
    assert 'overlayroot="tmpfs:' in (root / "etc/overlayroot.local.conf").read_text()


def test_what_is_there_moves_to_the_data_partition_and_leaves_no_copy_of_a_key(install, root):
    own, agents = root / "var/lib/zaalsleutel", root / "var/lib/zaalsleutel-agent"
    for folder in (own, agents):
        folder.mkdir(parents=True)
    own.chmod(0o700)
    (own / "event.jwk").write_text("secret")
    (agents / "update").mkdir()
    install("--dry-run", "--data")
    assert (own / "event.jwk").exists()
    install("--data")
    assert (root / "data/zaalsleutel/event.jwk").read_text() == "secret"
    assert (root / "data/zaalsleutel").stat().st_mode & 0o777 == 0o700
    assert (root / "data/zaalsleutel-agent/update").is_dir()
    assert not list(own.iterdir()) and not list(agents.iterdir())
    # What the partition has is the door's; what somebody put below the mount since is not touched.
    (own / "event.jwk").write_text("other")
    install("--data")
    assert (root / "data/zaalsleutel/event.jwk").read_text() == "secret"
    assert (own / "event.jwk").exists()


def test_a_unit_that_has_its_partition_keeps_it_where_it_cannot_be_seen(install, root):
    """As on the root below a read-only one: what changed in the shipped files still arrives."""
    install("--data")
    drop_in = root / "etc/systemd/system/systemd-remount-fs.service.d/zaalsleutel.conf"
    drop_in.unlink()
    assert "no partition" not in install()
    assert drop_in.exists()


def test_every_part_that_is_mounted_is_on_the_data_partition(install, root):
    install("--data")
    lines = (root / "etc/fstab").read_text().splitlines()
    sources = [line.split()[0] for line in lines if line.startswith("/data/")]
    assert sources and all((root / source.lstrip("/")).is_dir() for source in sources)


@pytest.mark.parametrize(("profile", "camera"), [("pi4-osdp", True), ("pi4-wiegand", False)])
def test_a_root_that_is_not_running_is_told_which_packages_it_needs(profile, camera, install, root):
    dpkg = root / "var/lib/dpkg"
    dpkg.mkdir(parents=True)
    known = "Package: chrony\nStatus: install ok installed\nVersion: 4.3\nArchitecture: arm64\n"
    (dpkg / "status").write_text(known)
    (needs,) = [line for line in install("--profile", profile).splitlines() if "still needs" in line]
    # The last two are what overlayroot's part of the initramfs calls without depending on it.
    assert needs.split(": ")[-1].split()[:4] == ["nftables", "overlayroot", "busybox", "e2fsprogs"]
    assert ("python3-picamera2" in needs) is camera


def test_it_pins_what_is_plugged_in_but_no_disk_hub_or_network(install, root):
    said = install()
    assert pinned(root) == {("1-1.1", "046d", "c31c"), ("1-1.4", "0403", "6001")}
    for port, kind in {"1-1": "09", "1-1.2": "08", "1-1.3": "02"}.items():
        assert f"{port} is left out: it has an interface of class {kind}" in said


def test_what_was_pinned_stays_until_ports_are_named(install, root, sys):
    install()
    shutil.rmtree(sys / "bus/usb/devices/1-1.1")
    assert "nothing to do" in install()
    install("--usb", "1-1.4")
    assert pinned(root) == {("1-1.4", "0403", "6001")}
    assert "nothing is plugged into 1-1.1" in install("--usb", "1-1.1", code=1)


def test_a_device_cannot_write_rules_of_its_own(install, sys, root):
    """What a device says of itself is input. An id that is no id, such as one with a quote in it, ends it."""
    (sys / "bus/usb/devices/1-1.4/idProduct").write_text('60", RUN+="/bin/sh')
    assert "1-1.4 has an id that is none" in install(code=1)
    assert not (root / "etc/udev/rules.d/71-zaalsleutel-usb-unit.rules").exists()


def pinned(root: Path) -> set[tuple[str, ...]]:
    rules = (root / "etc/udev/rules.d/71-zaalsleutel-usb-unit.rules").read_text()
    pattern = r'KERNEL=="([^"]+)", ATTR{idVendor}=="(\w+)", ATTR{idProduct}=="(\w+)", ATTR{authorized}="1"$'
    return set(re.findall(pattern, rules, re.MULTILINE))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--door", "Hall 1"], "--door is the door's id"),
        (["--broker", "a b"], "--broker is the broker's host name"),
        (["--profile", "none-such"], "there is no profile"),
        (["--nonsense", "1"], "no option --nonsense"),
    ],
)
def test_it_refuses_before_it_changes_anything(arguments, complaint, install, root):
    fresh = snapshot(root)
    assert complaint in install(*arguments, code=1)
    assert snapshot(root) == fresh


def test_it_refuses_another_system(install, root):
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="11"\n')
    assert "it takes Debian 12 or 13" in install(code=1)
