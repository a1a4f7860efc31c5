"""What a demo leaves behind for whoever wants to check it afterwards, with commands that need no demo.

DIR/log.jsonl      the door's whole log as the hub holds it: zaalsleutel audit verify DIR/log.jsonl --key …
DIR/door.pub.jwk   the door's public event key
DIR/list.json      the door's current list, as signed: zaalsleutel door explain --list DIR/list.json --key …
DIR/keys/          list and receipt keys of this demo, `*.jwk` private, `*.pub.jwk` public
DIR/traffic.jsonl  every message that passed the broker, as somebody with all rights there sees it
DIR/logs/          what each process wrote
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from controller.formats.encoding import canonical, parse_object
from controller.formats.jwk import load_private
from simulator.demo import Demo
from simulator.demo_files import DOOR

KEYS: Final = ("list", "receipt")


def keep(demo: Demo, folder: Path) -> None:
    """Write everything into `folder`; what is there already is replaced. Raises StartFailed or OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    hub = str(demo.folders.hub)
    keep_logs(demo, folder)
    printed = parse_object((demo.folders.door / "unit-keys.json").read_bytes(), "unit-keys.json")
    (folder / "door.pub.jwk").write_bytes(canonical(printed["event_key"]))
    shutil.copy(demo.folders.traffic, folder)
    (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    for name in KEYS:
        source = demo.folders.hub / "keys" / f"{name}.jwk"
        shutil.copy(source, folder / "keys")
        private = load_private(parse_object(source.read_bytes(), source.name), source.name)
        (folder / "keys" / f"{name}.pub.jwk").write_bytes(canonical(private.verify_key.jwk()))
    demo.run("audit", "export", "--hub", hub, "--door", DOOR, "--out", str(folder / "log.jsonl"))
    demo.run("hub", "list-of", DOOR, "--out", str(folder / "list.json"), "--hub", hub)


def keep_logs(demo: Demo, folder: Path) -> None:
    """Write only what the processes wrote: there may be no more after a failed start."""
    shutil.copytree(demo.folders.logs, folder / "logs", dirs_exist_ok=True)
