"""The Debian package in clean Debian roots: installed, made a door of, upgraded, and taken back when it is not healthy.

It builds packages and roots, which takes minutes and Debian's servers: `./run package --try` runs it, and everything
else skips it.
"""

import filecmp
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.formats.jwk import SigningKey, make_key
from controller.formats.trust import TrustKey
from tests.controller.enrolled_unit import Town

REPOSITORY = Path(__file__).parents[2]
DEBIANS = {"12": "bookworm", "13": "trixie"}
TOOLS = ("mmdebstrap", "dpkg-deb", "unshare", "mkfs.ext4", "losetup")

pytestmark = pytest.mark.slow

WHY_NOT = (
    "takes minutes and Debian's servers; ./run package --try runs it"
    if not os.environ.get("ZAALSLEUTEL_TRY_PACKAGES")
    else "needs root, for a root of its own"
    if os.geteuid()
    else "is for amd64"
    if platform.machine() != "x86_64"
    else ", ".join(tool for tool in TOOLS if shutil.which(tool) is None) or None
)
if WHY_NOT:
    pytest.skip(f"the package in a clean Debian root: {WHY_NOT}", allow_module_level=True)


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

[camera]
driver = "opencv"
source = "0"
"""


class Root:
    """A Debian in a folder; `run` runs something in it, with a /proc as a real one has."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, command: str, code: int = 0) -> str:
        inside = f'mount -t proc proc "{self.path}/proc" && exec chroot "{self.path}" sh -c "$1"'
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "sh", "-c", inside, "sh", command],
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def take(self, package: Path) -> str:
        shutil.copy(package, self.path / "tmp")
        return f"dpkg -i /tmp/{package.name}"


@pytest.fixture(scope="module", params=os.environ["ZAALSLEUTEL_TRY_PACKAGES"].split())
def debian(request):
    return request.param


def built(debian: str, output: Path) -> Path:
    build = REPOSITORY / "firmware-config" / "debian" / "build"
    done = subprocess.run([build, sys.executable, debian, "amd64", output], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def package(debian, tmp_path_factory):
    return built(debian, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def root(debian, tmp_path_factory):
    """A minimal Debian with what the package depends on; the tests of this file follow each other in it."""
    path = tmp_path_factory.mktemp(f"debian-{debian}") / "root"
    include = "python3,systemd,systemd-sysv,udev,kmod,nftables,chrony,initramfs-tools,overlayroot"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={include}", DEBIANS[debian], str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield Root(path)
    shutil.rmtree(path)


def variant(package: Path, version: str, folder: Path, damage: str = "") -> Path:
    """The same package as another release, with a line of shell run in its tree."""
    tree, unpacked = folder / version, package.with_suffix(".unpacked")
    if not unpacked.exists():
        subprocess.run(["dpkg-deb", "-R", package, unpacked], check=True)
    subprocess.run(["cp", "-a", unpacked, tree], check=True)
    release = next((tree / "opt/zaalsleutel/releases").iterdir())
    for path in [tree / "DEBIAN" / name for name in ("control", "postinst", "postrm")]:
        path.write_text(path.read_text().replace(release.name, version))
    release.rename(release.with_name(version))
    subprocess.run(["sh", "-ec", damage or "true"], cwd=release.with_name(version), check=True)
    made = folder / f"{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, made], check=True, stdout=sys.stderr)
    shutil.rmtree(tree)
    return made


def test_the_same_source_gives_the_same_package(debian, package, tmp_path):
    """Whoever has the source can check what was signed."""
    assert filecmp.cmp(built(debian, tmp_path), package, shallow=False)


def test_it_installs_and_starts(root, package):
    root.run(root.take(package))
    assert "zaalsleutel 0.1.0" in root.run("cd / && zaalsleutel --version")
    for account in ("zs-door", "zs-camera", "zs-camera-inside", "zs-sync", "zs-display", "zs-clock"):
        root.run(f"id {account}")
    assert root.run("systemctl is-enabled zaalsleutel.target zaalsleutel-controller").split() == ["enabled"] * 2
    assert root.run("stat -c '%U %a' /var/lib/zaalsleutel").split() == ["zs-door", "700"]


def test_systemd_has_nothing_to_say_about_the_units_as_installed(root):
    verify = "cd /usr/lib/systemd/system && systemd-analyze verify --man=no zaalsleutel*.service zaalsleutel.target"
    assert [line for line in root.run(f"{verify} 2>&1").splitlines() if "zaalsleutel" in line] == []


def test_debian_itself_reads_the_shipped_files(root):
    rules = "/opt/zaalsleutel/current/firmware-config/udev/*.rules"
    said = root.run(f"udevadm verify {rules} 2>&1 || true")
    assert "Success: 2" in said or "Unknown command verb" in said, said
    root.run("chronyd -p -f /opt/zaalsleutel/current/firmware-config/chrony/chrony.conf")


def test_the_installer_makes_it_a_door_once(root):
    (root.path / "boot/firmware").mkdir(parents=True, exist_ok=True)
    (root.path / "boot/firmware/config.txt").write_text("[all]\n")
    (root.path / "boot/firmware/cmdline.txt").write_text("console=tty1 root=PARTUUID=1 rootwait\n")
    (root.path / "tmp/profile.toml").write_text(PROFILE)
    command = "zaalsleutel-install --root / --data --door hall-1 --broker broker.example --profile /tmp/profile.toml"
    assert "changes" in root.run(command)
    assert "nothing to do" in root.run(command)
    assert "ok" in root.run("zaalsleutel door check --config /etc/zaalsleutel/door.toml")


def test_an_upgrade_keeps_the_data(root, package, tmp_path):
    root.run("echo kept >/var/lib/zaalsleutel/marker")
    root.run(root.take(variant(package, "0.1.1", tmp_path)))
    assert root.run("cat /var/lib/zaalsleutel/marker").strip() == "kept"
    assert root.run("readlink /opt/zaalsleutel/current; ls /opt/zaalsleutel").split() == [
        "releases/0.1.1", "current", "releases",
    ]  # fmt: skip
    assert root.run("ls /opt/zaalsleutel/releases").split() == ["0.1.1"]


@pytest.mark.parametrize(
    "damage",
    [
        "echo 'raise SystemExit(\"broken\")' | tee lib/python*/site-packages/controller/config.py",
        "rm -r lib/python*/site-packages/msgspec",
        "find lib -path '*zxing*' -name '*.so*' -exec truncate -s 1000 {} +",
    ],
    ids=["program", "library", "binary"],
)
def test_a_release_that_is_not_healthy_is_taken_back(damage, root, package, tmp_path):
    said = root.run(root.take(variant(package, "0.1.2", tmp_path, damage)), code=1)
    assert "the release before it is in use again" in said
    assert root.run("readlink /opt/zaalsleutel/current").strip() == "previous"
    assert "ok" in root.run("zaalsleutel door check --config /etc/zaalsleutel/door.toml")
    assert root.run("cat /var/lib/zaalsleutel/marker").strip() == "kept"


# A machine that starts: the root becomes the whole world of a process 1, with control groups and a /dev of its own.
BOOT = r"""
set -e
root=$1
mount --make-rprivate /
if [ $# -gt 1 ]; then
    # The appliance: what overlayroot makes of a card.
    card=$2 data=$3
    mount -t tmpfs tmpfs /media
    mkdir /media/root-ro /media/root-rw /media/all
    mount -o loop "$card" /media/root-ro
    mount -o remount,ro /media/root-ro
    mount -t tmpfs tmpfs-root /media/root-rw
    mkdir /media/root-rw/overlay /media/root-rw/work
    over=lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,workdir=/media/root-rw/work
    mount -t overlay overlayroot /media/all -o "$over"
    root=/media/all
    mkdir -p "$root/media/root-ro"
    mount --bind /media/root-ro "$root/media/root-ro"
    for name in zaalsleutel zaalsleutel-agent zaalsleutel-update; do
        mkdir -p "$root/var/lib/$name"
        mount --bind "$data/$name" "$root/var/lib/$name"
    done
    # It is closed, and whether it is opened is systemd's business, by the line that overlayroot writes.
    echo "/media/root-ro/ / overlay $over 0 1" >"$root/etc/fstab"
    LIBMOUNT_FORCE_MOUNT2=always mount -o remount,ro "$root"
else
    mount --bind "$root" "$root"
fi
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$folder"; done
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/run/old"
ln -s pts/ptmx "$root/dev/ptmx" # without it no unit with PrivateDevices= starts
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
cd "$root"
pivot_root . run/old
umount -l run/old
exec env -i container=zaalsleutel PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init
"""


class Booted:
    """The root, started with the real systemd; `run` runs something in it. With card and data its root is a read-only
    one: the first is the image of a card, the second the data partition."""

    def __init__(self, root: Root, *card_and_data: Path) -> None:
        alone = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup"]
        command = [*alone, "sh", "-c", BOOT, "sh", str(root.path), *map(str, card_and_data)]
        self._outside = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def up(self) -> bool:
        """Whether everything that starts has started."""
        up = {"running", "degraded"}
        return bool(self._children()) and self.run("systemctl is-system-running").strip() in up

    def _children(self) -> list[str]:
        pid = self._outside.pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def run(self, command: str) -> str:
        inside = [
            "nsenter",
            "--all",
            f"--target={self._children()[0]}",
            "env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
        ]
        done = subprocess.run([*inside, "sh", "-c", command], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def controller(self) -> dict[str, str]:
        shown = self.run("systemctl show -p MainPID,NRestarts,ActiveState zaalsleutel-controller")
        return dict(line.split("=", 1) for line in shown.splitlines())

    def halt(self) -> None:
        if self._outside.poll() is None:
            for pid in self._children():
                os.kill(int(pid), signal.SIGKILL)
        self.ended()

    def ended(self, patience_s: float = 120) -> None:
        """It has gone down, by itself or by `halt`."""
        self._outside.wait(patience_s)


def until(true: Callable[[], object], patience_s: float = 120) -> None:
    """Wait for something to become true; the test fails when it does not."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.2)


def test_a_machine_that_starts_and_is_no_door_yet_starts_nothing(root):
    door, aside = root.path / "etc/zaalsleutel/door.toml", root.path / "srv/door.toml"
    door.rename(aside)
    booted = Booted(root)
    try:
        until(booted.up)
        assert booted.run("systemctl is-enabled zaalsleutel-controller").strip() == "enabled"
        assert booted.run("systemctl list-units --no-legend --no-pager 'zaalsleutel*'") == ""
        assert booted.run("journalctl -b -o cat -u 'zaalsleutel*' | grep ^Start") == ""
    finally:
        booted.halt()
        aside.rename(door)


@pytest.fixture(scope="module")
def booted(root):
    """A door unit that is on, with gpiozero's own mock lines instead of a board's."""
    door = root.path / "etc/zaalsleutel/door.toml"
    door.write_text(door.read_text() + '\n[gpio]\nfactory = "mock"\n')
    # No disk here has the data partition; with its lines the controller rightly waits for it.
    root.run("sed -i '/^# zaalsleutel:/,$d' /etc/fstab")
    booted = Booted(root)
    until(booted.up)
    yield booted
    booted.halt()


def test_a_machine_that_starts_is_a_door(booted):
    until(lambda: booted.controller()["ActiveState"] == "active")
    assert '"door": "hall-1"' in booted.run("zaalsleutel door status --json --config /etc/zaalsleutel/door.toml")
    given = booted.run("cd /run/zaalsleutel && stat -c '%n %U %G %a' *.sock").splitlines()
    assert given == [
        "admin.sock zs-door zs-door 660",
        "camera.sock zs-door zs-camera 660",
        "camera_inside.sock zs-door zs-camera-inside 660",
        "display.sock zs-door zs-display 660",
        "sync.sock zs-door zs-sync 660",
    ]
    assert "ActiveState=active" in booted.run("systemctl show -p ActiveState zaalsleutel-camera")
    # The one process that may ask the kernel about NTP does, and says so where the controller reads it.
    until(lambda: len(booted.run("cat /run/zaalsleutel-clock/ntp").split()) == 2)
    assert booted.run("stat -c '%U %a' /run/zaalsleutel-clock/ntp").split() == ["zs-clock", "644"]


@pytest.mark.parametrize("how", ["KILL", "STOP"])
def test_a_controller_that_dies_or_hangs_comes_back(how, booted):
    """STOP is what a hang looks like from outside: the watchdog ends it after 6 s."""
    until(lambda: booted.controller()["ActiveState"] == "active")
    before = booted.controller()
    booted.run(f"systemctl kill -s {how} --kill-who=main zaalsleutel-controller")
    until(lambda: int(booted.controller()["NRestarts"]) > int(before["NRestarts"]))
    until(lambda: booted.controller()["ActiveState"] == "active")
    assert booted.controller()["MainPID"] != before["MainPID"]


def test_a_release_whose_controller_does_not_stay_up_is_taken_back_while_the_door_runs(booted, root, package, tmp_path):
    damage = "echo 'raise SystemExit(1)' | tee lib/python*/site-packages/controller/runner.py"
    shutil.copy(variant(package, "0.1.3", tmp_path, damage), root.path / "srv/0.1.3.deb")
    said = booted.run("dpkg -i /srv/0.1.3.deb")
    assert "the release before it is in use again" in said, said
    until(lambda: booted.controller()["ActiveState"] == "active")
    assert booted.run("readlink /opt/zaalsleutel/current").strip() == "previous"
    assert '"door": "hall-1"' in booted.run("zaalsleutel door status --json --config /etc/zaalsleutel/door.toml")


def test_an_upgrade_while_the_door_runs(booted, root, package, tmp_path):
    shutil.copy(variant(package, "0.1.4", tmp_path), root.path / "srv/0.1.4.deb")
    said = booted.run("dpkg -i /srv/0.1.4.deb && readlink -f /opt/zaalsleutel/current")
    assert said.splitlines()[-1] == "/opt/zaalsleutel/releases/0.1.4", said
    assert booted.controller()["ActiveState"] == "active"
    assert booted.run("cat /var/lib/zaalsleutel/marker").strip() == "kept"


class Release:
    """A town's update key, the trust document that names it on the unit, and the agent's spool."""

    def __init__(self, root: Root, booted: Booted) -> None:
        self._root, self._booted = root, booted
        self.key = make_key()
        now = int(time.time())
        jwk = self.key.verify_key.jwk()
        named = TrustKey(jwk=jwk, purpose="update", state="active", doors=("",), expires=now + 86_400)
        document = Town().sign_trust(issued=now - 60, expires=now + 86_400 * 300, keys=(named,))
        (root.path / "var/lib/zaalsleutel/trust.json").write_bytes(document)
        booted.run("chown zs-door: /var/lib/zaalsleutel/trust.json")

    def offer(self, package: Path, number: int, tmp_path: Path, key: SigningKey | None = None) -> dict[str, str]:
        """Sign as a release maker, drop as the agent does, and wait for what comes of it."""
        before = self._runs()
        self.drop(package, number, tmp_path, self._root.path / "var/lib/zaalsleutel-agent/update", key)
        until(lambda: self._runs() > before, 240)
        said: dict[str, str] | None = json.loads(self._booted.run("zaalsleutel update status"))
        return said or {}

    def drop(self, package: Path, number: int, tmp_path: Path, spool: Path, key: SigningKey | None = None) -> None:
        """Sign it, and put it where the one-shot looks."""
        secret, out = tmp_path / "update.jwk", tmp_path / f"{number}.json"
        secret.write_text(json.dumps((key or self.key).jwk()))
        words = ["update", "sign", "--package", str(package), "--key", str(secret), "--number", str(number)]
        command = [sys.executable, "-m", "zaalsleutel", *words, "--out", str(out)]
        subprocess.run(command, check=True, cwd=REPOSITORY, stdout=sys.stderr)
        spool.mkdir(exist_ok=True)
        shutil.copy(package, spool / "package.deb")
        shutil.copy(out, spool / "manifest.new")
        os.replace(spool / "manifest.new", spool / "manifest.json")

    def _runs(self) -> int:
        """How often the one-shot has ended."""
        ended = "Deactivated successfully|Failed with result"
        return int(self._booted.run(f"journalctl -u zaalsleutel-update -o cat | grep -cE '{ended}'") or 0)


@pytest.fixture(scope="module")
def release(booted, root):
    until(lambda: booted.controller()["ActiveState"] == "active")
    assert booted.run("systemctl start zaalsleutel-update.path && echo watching").strip() == "watching"
    return Release(root, booted)


def test_a_signed_update_installs_itself(release, booted, package, tmp_path):
    done = release.offer(variant(package, "0.1.5", tmp_path), 5, tmp_path)
    assert done.get("outcome") == "installed", booted.run("journalctl -u zaalsleutel-update -o cat")
    assert booted.run("readlink -f /opt/zaalsleutel/current").strip() == "/opt/zaalsleutel/releases/0.1.5"
    until(lambda: booted.controller()["ActiveState"] == "active")


@pytest.mark.parametrize(("number", "signed"), [(4, True), (6, False)], ids=["older", "unsigned"])
def test_an_older_and_an_unsigned_one_are_not_installed(release, booted, package, tmp_path, number, signed):
    release.offer(variant(package, "0.1.6", tmp_path), number, tmp_path, None if signed else make_key())
    assert booted.run("readlink -f /opt/zaalsleutel/current").strip() == "/opt/zaalsleutel/releases/0.1.5"
    said = booted.run("journalctl -u zaalsleutel-update -o cat")
    assert ("update_older" if signed else "unknown_key") in said, said


def test_a_signed_update_that_is_not_healthy_takes_itself_back(release, booted, package, tmp_path):
    damage = "echo 'raise SystemExit(1)' | tee lib/python*/site-packages/controller/runner.py"
    done = release.offer(variant(package, "0.1.7", tmp_path, damage), 7, tmp_path)
    assert done.get("outcome") == "rolled_back", booted.run("journalctl -u zaalsleutel-update -o cat")
    until(lambda: booted.controller()["ActiveState"] == "active")
    assert booted.run("readlink /opt/zaalsleutel/current").strip() == "previous"
    assert '"door": "hall-1"' in booted.run("zaalsleutel door status --json --config /etc/zaalsleutel/door.toml")
    assert release.offer(variant(package, "0.1.8", tmp_path), 8, tmp_path).get("outcome") == "installed"


def test_the_good_release_ends_it(root):
    assert "0.1.8-1" in root.run("dpkg-query -W -f '${Version} ${db:Status-Status}' zaalsleutel-door")
    assert root.run("dpkg --audit") == ""
    assert root.run("ls /opt/zaalsleutel /opt/zaalsleutel/releases").split()[-1] == "0.1.8"


class Appliance:
    """The same unit with a read-only root, and a data partition that holds what it has to keep."""

    def __init__(self, root: Root, release: Release, folder: Path) -> None:
        self._root, self._release, self._folder = root, release, folder
        self._card, self.data = folder / "card", folder / "data"
        # A file system of its own, not a second overlay: from util-linux 2.41 (Debian 13) on mount makes no overlay
        # writable again, while a card's it does.
        subprocess.run(["mkfs.ext4", "-q", "-d", root.path, self._card, "3G"], check=True)
        self.data.mkdir()
        for name in ("zaalsleutel", "zaalsleutel-agent", "zaalsleutel-update"):
            subprocess.run(["cp", "-a", root.path / "var/lib" / name, self.data / name], check=True)
        self.start()

    def start(self) -> None:
        """Switch it on; it may go down again before it is up."""
        self.booted = Booted(self._root, self._card, self.data)

    def serves(self) -> bool:
        return self.booted.up() and self.booted.controller()["ActiveState"] == "active"

    def drop(self, package: Path, number: int) -> None:
        """A signed update; the machine goes down for it, and is switched on again."""
        self._release.drop(package, number, self._folder, self.data / "zaalsleutel-agent/update")
        self.booted.ended(300)
        self.start()

    def outcome(self) -> str:
        said: dict[str, str] = json.loads((self.data / "zaalsleutel-update/result.json").read_text())
        return said["outcome"]

    def in_use(self) -> str:
        return self.booted.run("readlink /opt/zaalsleutel/current").strip()


@pytest.fixture(scope="module")
def appliance(booted, root, release, tmp_path_factory):
    booted.halt()
    appliance = Appliance(root, release, tmp_path_factory.mktemp("appliance"))
    yield appliance
    appliance.booted.halt()


def test_with_a_read_only_root_a_signed_update_is_there_after_a_restart(appliance, package, tmp_path):
    until(appliance.serves)
    assert appliance.booted.run("touch /opt/gone") == "", "the root is open to what lives in memory"
    assert appliance.booted.run("findmnt -no OPTIONS /media/root-ro").startswith("ro")
    appliance.drop(variant(package, "0.2.0", tmp_path), 20)
    until(lambda: appliance.outcome() == "installed", 120)
    until(appliance.serves)
    assert appliance.in_use() == "releases/0.2.0"
    assert appliance.booted.run("ls /opt").split() == ["zaalsleutel"]
    assert appliance.booted.run("findmnt -no OPTIONS /media/root-ro").startswith("ro")


def test_one_that_does_not_start_there_is_found_out_before_it_is_in_use(appliance, package, tmp_path):
    damage = "rm -r lib/python*/site-packages/msgspec"
    appliance.drop(variant(package, "0.2.1", tmp_path, damage), 21)
    until(lambda: appliance.outcome() == "rolled_back")
    until(appliance.serves)
    assert appliance.in_use() == "previous"


def test_one_that_does_not_stand_there_goes_back_with_one_more_restart(appliance, package, tmp_path):
    damage = "echo 'raise SystemExit(1)' | tee lib/python*/site-packages/controller/runner.py"
    appliance.drop(variant(package, "0.2.2", tmp_path, damage), 22)
    appliance.booted.ended(300)
    assert appliance.outcome() == "rolled_back"
    appliance.start()
    until(appliance.serves)
    assert appliance.in_use() == "previous"


def test_a_purge_leaves_what_the_hub_may_not_have(root):
    said = root.run("dpkg -P zaalsleutel-door")
    assert "/var/lib/zaalsleutel" in said
    assert root.run("cat /var/lib/zaalsleutel/marker").strip() == "kept"
    root.run("test ! -e /opt/zaalsleutel")
