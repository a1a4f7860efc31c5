"""What docs/commands.md says of exit status 2: the command line names a file or folder that cannot be used."""

import importlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import zaalsleutel

KEY = "--key list.jwk"
QUESTION = "--at 2026-07-17T12:00:00Z --pin 482913"
COMMANDS = [
    "list make --key list.jwk --out out --input {}",
    "list make --input plain.json --out out --key {}",
    "list make --input plain.json --key list.jwk --out out --pass-keys {}",
    "list make --input plain.json --key list.jwk --out out --encrypt-to {}",
    "list inspect {}",
    "list inspect list.json --key {}",
    "keys root make --out out --public out.pub --passphrase-file {}",
    "keys trust new --out out --root list.pub --root list.pub --key list.pub --authority {}",
    "keys trust new --out out --key list.pub --authority ca.pem --root {}",
    "keys trust show {}",
    "keys trust combine --out out {}",
    f"door explain --list list.json {QUESTION} --key {{}}",
    f"door explain --list list.json {QUESTION} --trust {{}}",
    f"door explain --list list.json {QUESTION} {KEY} --decrypt-with {{}}",
    f"door explain {KEY} {QUESTION} --list {{}}",
    f"door explain --list list.json {KEY} --batch {{}}",
    "hub apply --hub hub {}",
    "hub trust --hub hub {}",
    "hub doors --hub {}",
    "hub adapters rooms {}",
    "hub restore --hub hub {}",
    "audit verify {}",
    "audit figures 2026-07 --hub {}",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("files")
    (made / "folder").mkdir()
    (made / "folder" / "hub.toml").mkdir()
    plain = (Path(__file__).parent.parent / "docs/formats/plain.json").read_bytes()
    (made / "plain.json").write_bytes(plain)
    (made / "ca.pem").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert run("keys make --purpose list --out list.jwk --public list.pub")[0] == 0
        assert run("list make --input plain.json --key list.jwk --out list.json")[0] == 0
        assert run("hub init hub")[0] == 0
    return made


def run(line: str) -> tuple[int, str, str]:
    room, *rest = line.split()
    module, attribute = zaalsleutel.ROOMS[room].target.split(":")
    done = CliRunner().invoke(getattr(importlib.import_module(module), attribute), rest)
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", ["gone", "folder"])
def test_a_file_that_cannot_be_read_is_2_and_one_sentence(
    command: str, given: str, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    status, out, err = run(command.format(given))
    assert (status, out, len(err.splitlines()), given in err) == (2, "", 1, True), err


@pytest.mark.parametrize("content", [b"", b"\x80", b"[]", b"{}", b"text"])
@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.startswith(("audit", "hub doors"))])
def test_whatever_a_file_says_there_is_one_sentence_about_it(
    command: str, content: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    (folder / "odd").write_bytes(content)
    status, out, err = run(command.format("odd"))
    assert status == 0 or (out, len(err.splitlines())) == ("", 1), err


@pytest.mark.parametrize("option", ["--key", "--decrypt-with"])
def test_a_key_that_is_none_is_no_list_that_is_not_acceptable(
    option: str, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    key = "" if option == "--key" else KEY
    assert run(f"door explain --list list.json {QUESTION} {key} {option} plain.json")[0] == 2
    assert run(f"door explain --list plain.json {QUESTION} {KEY}")[0] == 3


def test_a_file_that_cannot_be_written_is_2_and_one_that_is_there_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    assert run("list make --input plain.json --key list.jwk --out gone/list.json")[0] == 2
    assert run("keys make --purpose list --out list.jwk")[0] == 1
    status, _, err = run("hub backup --hub hub list.json")
    assert (status, err) == (1, "zaalsleutel hub: list.json: file exists (exists)\n")
