"""The Debian package in clean Debian roots: installed, made a door of, upgraded, and taken back when it is not healthy.

It builds packages and roots, which takes minutes and Debian's servers: `./run package --try` runs it, and everything
else skips it.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DEBIANS = {"12": "bookworm", "13": "trixie"}
TOOLS = ("mmdebstrap", "dpkg-deb", "unshare")

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


@pytest.fixture(scope="module", params=DEBIANS)
def debian(request):
    return request.param


@pytest.fixture(scope="module")
def package(debian, tmp_path_factory):
    output = tmp_path_factory.mktemp("package")
    build = REPOSITORY / "firmware-config" / "debian" / "build"
    done = subprocess.run([build, sys.executable, debian, "amd64", output], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def root(debian, tmp_path_factory):
    """A minimal Debian with what the package depends on; the tests of this file follow each other in it."""
    path = tmp_path_factory.mktemp(f"debian-{debian}") / "root"
    include = "python3,systemd,systemd-sysv,udev,kmod,nftables,chrony,initramfs-tools"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={include}", DEBIANS[debian], str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    yield Root(path)
    shutil.rmtree(path)


def variant(package: Path, version: str, folder: Path, damage: str = "") -> Path:
    """The same package as another release, with a line of shell run in its tree."""
    tree = folder / version
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    release = next((tree / "opt/zaalsleutel/releases").iterdir())
    for path in [tree / "DEBIAN" / name for name in ("control", "postinst", "postrm")]:
        path.write_text(path.read_text().replace(release.name, version))
    release.rename(release.with_name(version))
    subprocess.run(["sh", "-ec", damage or "true"], cwd=release.with_name(version), check=True)
    made = folder / f"{version}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, made], check=True, stdout=sys.stderr)
    return made


def test_it_installs_and_starts(root, package):
    root.run(root.take(package))
    assert "zaalsleutel 0.1.0" in root.run("cd / && zaalsleutel --version")
    for account in ("zs-door", "zs-camera", "zs-sync", "zs-display"):
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


def test_a_running_door_that_does_not_answer_is_taken_back_and_restarted(root, package, tmp_path):
    """systemd is a stand-in that starts nothing, so no controller ever answers."""
    stand_in = root.path / "usr/local/bin/systemctl"
    stand_in.write_text('#!/bin/sh\necho "$*" >>/tmp/asked\n')
    stand_in.chmod(0o755)
    running = "mkdir -p /run/systemd/system && ZAALSLEUTEL_PATIENCE_S=2"
    said = root.run(f"{running} {root.take(variant(package, '0.1.3', tmp_path))}", code=1)
    assert "the controller does not answer" in said
    assert root.run("readlink /opt/zaalsleutel/current").strip() == "previous"
    assert (root.path / "tmp/asked").read_text().splitlines()[-2:] == ["daemon-reload", "restart zaalsleutel.target"]
    stand_in.unlink()
    root.run("rm -r /run/systemd/system")


def test_the_next_good_release_ends_it(root, package, tmp_path):
    root.run(root.take(variant(package, "0.1.4", tmp_path)))
    assert root.run("readlink /opt/zaalsleutel/current").strip() == "releases/0.1.4"
    assert "0.1.4" in root.run("dpkg-query -W -f '${Version} ${db:Status-Status}' zaalsleutel-door")
    assert root.run("dpkg --audit") == ""


def test_a_purge_leaves_what_the_hub_may_not_have(root):
    said = root.run("dpkg -P zaalsleutel-door")
    assert "/var/lib/zaalsleutel" in said
    assert root.run("cat /var/lib/zaalsleutel/marker").strip() == "kept"
    root.run("test ! -e /opt/zaalsleutel")
