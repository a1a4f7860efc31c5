"""What a demo leaves behind for whoever wants to check it afterwards, with commands that need no demo.

DIR/log.jsonl      the door's whole log as the hub holds it: zaalsleutel audit verify DIR/log.jsonl --key …
DIR/door.pub.jwk   the door's public event key
DIR/list.json      the door's current list, as signed: zaalsleutel door explain --list DIR/list.json --key …
DIR/keys/          the keys that signed the list and the receipts, of this demo: `*.jwk` private, `*.pub.jwk` public
DIR/traffic.jsonl  every message that passed the broker, as somebody with all rights there sees it
DIR/logs/          what each process wrote
DIR/README.txt     these commands, to be tried in DIR
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from time import time

from controller.formats.code_list import parse
from controller.formats.encoding import canonical, parse_object
from controller.formats.envelope import key_id, unverified
from controller.formats.jwk import SigningKey, load_private
from simulator.demo import Demo
from simulator.demo_files import DOOR
from sync.hub.instants import instant

README = """\
What a demo of zaalsleutel left behind. To be tried in this folder, with nothing running:

    zaalsleutel audit verify log.jsonl --key door.pub.jwk
    zaalsleutel list inspect list.json --key keys/list.pub.jwk
    zaalsleutel door explain --list list.json --key keys/list.pub.jwk --at {at} --pin 1234567

(`zaalsleutel` is in .venv/bin of the clone.) Change a letter in log.jsonl and verify it again: it says where. Ask the
last about a PIN or QR text (--qr) that the demo gave and did not cancel (of the story: tomorrow's PIN), and it says
granted; about another instant, and it says why not. The private keys in keys/ signed this demo and nothing else.
traffic.jsonl is every message that passed the broker, payloads in base64; logs/ is what each process wrote.
"""


def keep(demo: Demo, folder: Path) -> None:
    """Write everything into `folder`; what is there already is replaced. Raises StartFailed or OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    hub = str(demo.folders.hub)
    keep_logs(demo, folder)
    printed = parse_object(demo.folders.unit_keys.read_bytes(), "unit-keys.json")
    (folder / "door.pub.jwk").write_bytes(canonical(printed["event_key"]))
    shutil.copy(demo.folders.traffic, folder)
    demo.run("audit", "export", "--hub", hub, "--door", DOOR, "--out", str(folder / "log.jsonl"))
    demo.run("hub", "list-of", DOOR, "--out", str(folder / "list.json"), "--hub", hub)
    (folder / "README.txt").write_text(README.format(at=_some_time(folder / "list.json")), "utf-8")
    (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    signer = key_id((folder / "list.json").read_bytes())
    _keep_key(demo.folders.hub / "keys", "list", folder / "keys", lambda key: key.verify_key.thumbprint == signer)
    _keep_key(demo.folders.hub / "keys", "receipt", folder / "keys", lambda _key: True)


def _some_time(code_list: Path) -> str:
    """When the first code of the list opens, now if it has none. Raises OSError."""
    windows = (window for grant in parse(unverified(code_list.read_bytes()).payload).grants for window in grant.windows)
    return instant(next(windows, (int(time()), 0))[0])


def _keep_key(keys: Path, purpose: str, folder: Path, wanted: Callable[[SigningKey], bool]) -> None:
    """Both halves of the first of a purpose's keys that is wanted: a story may have replaced one. Raises OSError."""
    for source in sorted(keys.glob(f"{purpose}*.jwk")):
        if source.name.endswith(".pub.jwk"):
            continue
        private = load_private(parse_object(source.read_bytes(), source.name), source.name)
        if wanted(private):
            shutil.copy(source, folder / f"{purpose}.jwk")
            (folder / f"{purpose}.pub.jwk").write_bytes(canonical(private.verify_key.jwk()))
            return
    raise OSError(f"no {purpose} key in {keys} made what is kept")


def keep_logs(demo: Demo, folder: Path) -> None:
    """Write only what the processes wrote: there may be no more after a failed start."""
    shutil.copytree(demo.folders.logs, folder / "logs", dirs_exist_ok=True)
