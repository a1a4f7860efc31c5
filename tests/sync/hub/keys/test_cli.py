"""`zaalsleutel keys make`: the files it writes and the ones it leaves alone."""

import json
import os
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.formats import jwk
from controller.formats.errors import Refused
from sync.hub.keys import cli as keys_cli

run = CliRunner()


def make(*arguments: object) -> tuple[int, str, str]:
    done = run.invoke(keys_cli.app, ["make", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("alg", ["Ed25519", "ES256"])
def test_a_key_pair(alg: str, tmp_path: Path):
    private, public = tmp_path / "list.jwk", tmp_path / "list.pub.jwk"
    status, out, _ = make("--purpose", "list", "--out", private, "--public", public, "--alg", alg, "--json")
    assert status == 0
    key = jwk.read_private(private.read_bytes())
    thumbprint = key.verify_key.thumbprint
    assert json.loads(out) == {
        "kid": thumbprint, "alg": alg, "purpose": "list", "file": str(private), "public": str(public),
    }  # fmt: skip
    assert jwk.read_public(public.read_bytes()).thumbprint == thumbprint
    assert "d" not in json.loads(public.read_bytes())
    assert keys_cli.purpose_of(json.loads(private.read_bytes())) == "list"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_by_default_it_prints_the_thumbprint(tmp_path: Path):
    status, out, _ = make("--purpose", "receipt", "--out", tmp_path / "key")
    assert (status, out.strip()) == (0, jwk.read_public((tmp_path / "key").read_bytes()).thumbprint)


def test_two_keys_differ(tmp_path: Path):
    assert (
        make("--purpose", "list", "--out", tmp_path / "a")[1] != make("--purpose", "list", "--out", tmp_path / "b")[1]
    )


@pytest.mark.parametrize("taken", ["private", "public", "link"])
def test_nothing_is_ever_overwritten(taken: str, tmp_path: Path):
    private, public = tmp_path / "private", tmp_path / "public"
    if taken == "link":
        private.symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / taken).write_text("precious")
    status, out, err = make("--purpose", "list", "--out", private, "--public", public, "--json")
    assert (status, json.loads(out)["refused"]) == (1, "exists")
    assert err.strip().endswith("(exists)")
    if taken != "link":
        assert [path.name for path in tmp_path.iterdir()] == [taken]
        assert (tmp_path / taken).read_text() == "precious"


@pytest.mark.parametrize("public", ["no/public", "private", "./private"])
def test_both_halves_are_written_or_neither(public: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert make("--purpose", "list", "--out", "private", "--public", public)[0] == (2 if public == "no/public" else 1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path):
    status, _, err = make("--purpose", "list", "--out", tmp_path / "no" / "key")
    assert (status, "(unwritable)" in err) == (2, True)


def test_an_unknown_purpose_is_a_usage_error(tmp_path: Path):
    assert make("--purpose", "doors", "--out", tmp_path / "key")[0] == 2


def test_replacing_a_file_leaves_nothing_behind(tmp_path: Path):
    target = tmp_path / "list.json"
    for text in (b"one", b"two"):
        keys_cli.replace_file(target, text, mode=0o600)
        assert target.read_bytes() == text
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("place", ["", ".", "..", "/", "/dev/null", "pipe"])
def test_only_a_file_is_replaced(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(Refused, match="unwritable"):
        keys_cli.replace_file(Path(place), b"", mode=0o600)


def test_a_link_is_followed(tmp_path: Path):
    (tmp_path / "link").symlink_to("file")
    keys_cli.replace_file(tmp_path / "link", b"new", mode=0o600)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_reading_is_bounded(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 11)
    assert keys_cli.read_file(path, 11) == b"x" * 11
    with pytest.raises(Refused, match="too_large"):
        keys_cli.read_file(path, 10)
    with pytest.raises(Refused, match="unreadable"):
        keys_cli.read_file(tmp_path, 10)
