"""The programs of docs/formats in other languages: what they make is a list that a door takes."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from controller import cli
from controller.formats import code_list, jwe, trust
from controller.formats.encoding import canonical
from controller.formats.jwk import make_key
from controller.formats.trust_step import sign
from tests.controller.worlds import DAY, NOON
from tests.vectors.list_cases import full_list

FORMATS = Path(__file__).parents[2] / "docs" / "formats"
PAIRS = [("Ed25519", "X25519"), ("ES256", "P-256")]
PIN = "482913"


class Place:
    """A folder with a town's keys and a door's, its trust document, and somebody who asks `door explain`."""

    def __init__(self, folder: Path, alg: str, curve: str) -> None:
        self.folder = folder
        key, self.reader, roots = make_key(alg), jwe.make_key(curve), [make_key(), make_key()]  # type: ignore[arg-type]
        self._write("list.jwk", key.jwk())
        self._write("door.jwk", self.reader.jwk())
        self._write("door.pub.jwk", self.reader.encrypt_key.jwk())
        named = trust.TrustKey(
            jwk=key.verify_key.jwk(), purpose="list", state="active", doors=("",), expires=NOON + DAY
        )
        document = trust.Trust(
            version=1, epoch=1, issued=NOON - DAY, expires=NOON + DAY, threshold=2, authorities=(), time_floor=None,
            roots=tuple(root.verify_key.jwk() for root in roots), keys=(named,),
        )  # fmt: skip
        (folder / "trust.json").write_bytes(sign(canonical(document), roots))

    def _write(self, name: str, document: Any) -> None:
        (self.folder / name).write_text(json.dumps(document))

    def run(self, *command: object, given: bytes = b"") -> tuple[bytes, str]:
        done = subprocess.run(
            list(map(str, command)), cwd=self.folder, input=given, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        (self.folder / "list.jwe").write_bytes(done.stdout)
        return done.stdout, done.stderr.decode()

    def explained(self, *question: str) -> str:
        files = ("--list", "list.jwe", "--trust", "trust.json", "--decrypt-with", "door.jwk")
        paths = [str(self.folder / each) if each.endswith(("jwe", "json", "jwk")) else each for each in files]
        asked = CliRunner().invoke(cli.app, ["explain", *paths, "--at", "2026-07-17T12:30:00Z", *question, "--json"])
        answer = json.loads(asked.stdout)
        return str(answer.get("reason") or answer.get("refused"))


@pytest.fixture(params=PAIRS, ids=["-".join(pair) for pair in PAIRS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, *request.param)


@pytest.mark.skipif(not shutil.which("php"), reason="PHP is not installed")
def test_a_list_made_in_php_opens_a_door(place: Place):
    plain = {
        "door": "hall-1", "epoch": 1, "version": NOON, "issued": "2026-07-17T12:00:00Z",
        "refresh_after": "2026-07-18T12:00:00Z", "valid_until": "2026-08-07T12:00:00Z",
        "policy": msgspec.to_builtins(code_list.Policy(help="Sleutel? 09 000 00 00 / receptie, Zoë")),
        "grants": [{"id": "g-1", "kind": "renter", "active": True, "pins": [PIN],
                    "windows": [["2026-07-17T12:00:00Z", "2026-07-17T16:00:00Z"]]}],
    }  # fmt: skip
    (place.folder / "plain.json").write_text(json.dumps(plain))
    _, said = place.run("php", FORMATS / "list.php", "plain.json", "list.jwk", "door.pub.jwk")
    name, _, qr = said.strip().partition("  ")
    assert name == "g-1"
    assert place.explained("--pin", PIN) == place.explained("--qr", qr) == "granted"
    assert place.explained("--pin", "482914") == "unknown_code"


@pytest.mark.skipif(not shutil.which("javac"), reason="no JDK is installed")
def test_a_list_sealed_in_java_is_taken(place: Place):
    made = msgspec.structs.replace(full_list(), door="hall-1", issued=NOON, refresh_after=NOON, valid_until=NOON + DAY)
    place.run("java", FORMATS / "SealList.java", "list.jwk", "door.pub.jwk", given=code_list.dump(made))
    assert place.explained("--pin", "000000") == "suspended"
