"""The one-shot that installs a signed update. It runs as root, without network, when the agent has dropped one.

What the agent can reach it cannot change any more once it is looked at: manifest and package are copied into a folder
of root's own first, and judged there. dpkg does the installing; its scripts try the new release, and go back to the one
before when it is not healthy (`firmware-config/debian`). Whatever comes of it, that number is not tried again.

Where the root is read-only (overlayroot), dpkg works on the root below, where nothing runs, so its scripts can try only
that the programs start. The machine is restarted then, however dpkg ended: what lies under a running overlay may have
changed. `zaalsleutel-update-confirm.service` looks what came of it and tries the rest, as it does when power went in
the middle.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from controller.codelist import Floors
from controller.data_folder import DataFolder
from controller.disk import replace_file
from controller.formats.encoding import canonical, decode
from controller.formats.errors import Refused
from controller.formats.trust import Trust
from controller.formats.update import MANIFEST_BYTES
from controller.trust_chain import accept_kept
from controller.update_gate import Machine, accept

MANIFEST, PACKAGE = "manifest.json", "package.deb"
RESULT = "result.json"
TRIED = ("installing", "restarting", "installed", "rolled_back")
CHUNK = 1 << 20
ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}
Call = Callable[[Sequence[str], Path | None], int]
RESTARTING = "restarting"
PENDING = "pending"
"""There while an update is tried. Found at a start, `firmware-config/debian/confirm` settles what came of it."""

BELOW = """\
trap 'rm -f /var/tmp/zaalsleutel.deb' EXIT
cat >/var/tmp/zaalsleutel.deb
export ZAALSLEUTEL_RESTARTS=yes ZAALSLEUTEL_RUNNING=/nonexistent SYSTEMD_OFFLINE=1
dpkg --install /var/tmp/zaalsleutel.deb
"""
"""Run in the root below, which sees no partition but its own: the package comes through standard input. It sees the
services that run above it all the same, through /run; they are none of its business."""


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What came of the last update that was looked at; the agent reads it here. `tried` is the highest number ever
    tried, `version` that one's; `manifest` the SHA-256 of the manifest that `outcome` is about."""

    tried: int = 0
    version: str = ""
    outcome: str  # "installing", "installed", "rolled_back", or the code it was refused with
    manifest: str


@dataclass(frozen=True)
class Places:
    """`spool` is the agent's, `own` root's; `data` the controller's, where the trust document is; `root` the system."""

    spool: Path
    own: Path
    data: Path
    root: Path = Path("/")


def install(places: Places, door: str, now_s: int, call: Call) -> Result:
    """Judge what is in the spool and have dpkg install it. Raises Refused and OSError; what is refused is not kept,
    only why. One that was tried already is not tried again: what came of it is given back."""
    places.own.mkdir(parents=True, exist_ok=True, mode=0o755)
    before = last_result(places.own) or Result(outcome="", manifest="")
    manifest, name = _taken(places.spool / MANIFEST, places.own / MANIFEST, MANIFEST_BYTES)
    if name == before.manifest and before.outcome in TRIED:
        return before
    try:
        trust, floor_s = _trust(places.data)
        arch = ARCHES.get(platform.machine(), platform.machine())
        machine = Machine(door, _debian(places.root), arch, before.tried)
        # A clock that is ahead could refuse a good update, one that is behind the floor could let an old one in.
        update = accept(manifest.read_bytes(), trust, machine, max(floor_s, now_s))
        package, digest = _taken(places.spool / PACKAGE, places.own / PACKAGE, update.size)
        if digest != update.sha256 or package.stat().st_size != update.size:
            raise Refused("wrong_package", "update.sha256", "not the package that was signed")
        trying = Result(tried=update.number, version=update.version, outcome="installing", manifest=name)
        return _installed(places, trying, call)
    except Refused as refused:
        _keep(places.own, msgspec.structs.replace(before, outcome=refused.code, manifest=name))
        raise
    finally:
        (places.own / PACKAGE).unlink(missing_ok=True)


def last_result(own: Path) -> Result | None:
    """What came of the last update, None before the first. Raises Refused for a damaged file: forgetting which numbers
    were tried would let an older one in."""
    try:
        return decode((own / RESULT).read_bytes(), Result, RESULT)
    except FileNotFoundError:
        return None


def _installed(places: Places, trying: Result, call: Call) -> Result:
    """On disk as tried before it is tried: a power cut in the middle must not try it for ever."""
    _keep(places.own, trying)
    package, pending = places.own / PACKAGE, places.own / PENDING
    replace_file(pending, b"")
    if _root_is_an_overlay(places.root):
        call(["overlayroot-chroot", "sh", "-ec", BELOW], package)
        result = msgspec.structs.replace(trying, outcome=RESTARTING)
        _keep(places.own, result)
        return result
    healthy = call(["dpkg", "--install", str(package)], None) == 0
    result = msgspec.structs.replace(trying, outcome="installed" if healthy else "rolled_back")
    _keep(places.own, result)
    pending.unlink()
    return result


def _keep(own: Path, result: Result) -> None:
    """Readable by the agent: it tells the hub."""
    replace_file(own / RESULT, canonical(result), 0o644)


def _trust(data: Path) -> tuple[Trust, int]:
    disk = DataFolder(data)
    document, floors = disk.read_trust(), disk.read_floors() or Floors()
    if document is None:
        raise Refused("not_enrolled", "trust", "this unit has no trust document")
    return accept_kept(document, floors).trust, floors.clock_s


def _taken(source: Path, copy: Path, max_bytes: int) -> tuple[Path, str]:
    """A copy of a plain file that nobody else can touch, and its SHA-256. No link is followed, no pipe waited for."""
    handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as readable:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Refused("not_a_file", source.name, "is no plain file")
        digest, left = hashlib.sha256(), max_bytes
        with copy.open("wb") as written:
            while chunk := readable.read(CHUNK):
                left -= len(chunk)
                if left < 0:
                    raise Refused("too_large", source.name, f"over {max_bytes} bytes")
                digest.update(chunk)
                written.write(chunk)
    return copy, digest.hexdigest()


def _debian(root: Path) -> str:
    for line in (root / "etc/os-release").read_text("utf-8").splitlines():
        if line.startswith("VERSION_ID="):
            return line.partition("=")[2].strip('"')
    return ""


def _root_is_an_overlay(root: Path) -> bool:
    mounts = (root / "proc/self/mounts").read_text("utf-8", "replace").splitlines()
    return any(line.split()[1:3] == ["/", "overlay"] and "overlayroot" in line for line in mounts)


def run_command(command: Sequence[str], given: Path | None) -> int:
    """Run it, a file as its standard input, with what it says going where ours goes."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with (given or Path(os.devnull)).open("rb") as read:
        return subprocess.run(command, check=False, env=environment, stdin=read).returncode
