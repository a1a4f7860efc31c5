"""`zaalsleutel door explain` with what a door has: its trust document, its list as it arrived, its own key."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller import cli
from controller.explain import Case, Explainer, utc_seconds
from controller.formats import code_list as formats
from controller.formats import jwe
from controller.formats.envelope import seal
from controller.formats.errors import Refused
from controller.formats.jwk import SigningKey, make_key
from tests.controller.enrolled_unit import Town
from tests.controller.worlds import DAY, NOON, PIN, code_list, grant, token

AT = "2026-07-17T12:30:00Z"
FAR = 1 << 40  # the last instant a list may name, in the year 36812
LIST = code_list(grant("g1"), version=1_000)


class Shelf:
    """A folder with what an installer may have in hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.town = Town()
        self.reader = jwe.make_key()
        self.write("door.jwk", json.dumps(self.reader.jwk()))
        self.trust()
        self.list(LIST)

    def write(self, name: str, data: str | bytes) -> None:
        (self.folder / name).write_bytes(data.encode() if isinstance(data, str) else data)

    def trust(self) -> None:
        self.write("trust.json", self.town.documents[-1])

    def list(self, rules: formats.CodeList, key: SigningKey | None = None) -> None:
        envelope = self.town.sealed(rules, key).encode()
        self.write("list.json", envelope)
        self.write("list.jwe", jwe.encrypt(envelope, formats.TYP, self.reader.encrypt_key))

    def ask(self, *options: str, file: str = "list.jwe", code: int = 0) -> Any:
        named = [str(self.folder / each) if "." in each else each for each in options]
        question = ["explain", "--list", str(self.folder / file), *named, "--at", AT, "--pin", PIN, "--json"]
        done = CliRunner().invoke(cli.app, question)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if done.stdout else None


TRUSTED = ("--trust", "trust.json", "--decrypt-with", "door.jwk")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_the_list_as_it_arrived_is_explained(shelf: Shelf):
    assert shelf.ask(*TRUSTED) == {"verdict": "granted", "reason": "granted", "grant": "g1"}


def test_a_list_in_clear_needs_no_key_of_the_door(shelf: Shelf):
    assert shelf.ask("--trust", "trust.json", file="list.json")["verdict"] == "granted"


def test_another_doors_key_does_not_open_it(shelf: Shelf):
    shelf.write("door.jwk", json.dumps(jwe.make_key().jwk()))
    assert shelf.ask(*TRUSTED, code=3)["refused"] == "wrong_recipient"


def test_a_list_in_clear_is_not_taken_for_an_encrypted_one(shelf: Shelf):
    assert shelf.ask(*TRUSTED, file="list.json", code=3)["refused"] == "not_encrypted"


def test_a_key_that_the_document_does_not_name_is_refused(shelf: Shelf):
    shelf.list(LIST, make_key())
    assert shelf.ask(*TRUSTED, code=3)["refused"] == "unknown_key"


@pytest.mark.parametrize(("state", "refused"), [("retired", None), ("revoked", "unknown_key")])
def test_a_retired_keys_list_is_explained_and_a_revoked_ones_is_not(shelf: Shelf, state: Any, refused: str | None):
    shelf.town.retire("list", state)
    shelf.town.sign_trust()
    shelf.trust()
    assert shelf.ask(*TRUSTED, code=3 if refused else 0).get("refused") == refused


def test_a_list_of_another_epoch_or_beyond_its_keys_scope_is_refused(shelf: Shelf):
    shelf.list(code_list(grant("g1"), version=1_000, epoch=2))
    assert shelf.ask(*TRUSTED, code=3)["refused"] == "wrong_epoch"
    shelf.list(LIST)
    named = shelf.town.trust().keys
    for limits, refused in (({"doors": ("annex-",)}, "unknown_key"), ({"kinds": ("cleaning",)}, "wrong_scope")):
        keys = tuple(type(key)(**{**_members(key), **limits}) for key in named)
        shelf.write("trust.json", shelf.town.sign_trust(keys=keys))
        assert shelf.ask(*TRUSTED, code=3)["refused"] == refused


def test_a_document_its_own_roots_did_not_sign_is_refused(shelf: Shelf):
    strangers = [make_key(), make_key()]
    shelf.write("trust.json", shelf.town.sign_trust(strangers))
    assert shelf.ask(*TRUSTED, code=3)["refused"] == "bad_threshold"


def test_one_of_key_and_trust_is_asked_for(shelf: Shelf):
    shelf.ask(code=2)
    shelf.ask(*TRUSTED, "--key", "door.jwk", code=2)


@pytest.mark.parametrize(
    ("options", "code", "refused", "where"),
    [
        (["--list", "gone", "--at", AT, "--pin", PIN], 2, "unreadable", "gone"),
        (["--list", "list.json", "--at", AT], 2, "bad_case", ""),
        (["--list", "list.json", "--at", "today", "--pin", PIN], 2, "bad_instant", "--at"),
        (["--list", "list.json", "--batch", "gone"], 2, "unreadable", "gone"),
        (["--list", "trust.json", "--at", AT, "--pin", PIN], 3, "bad_members", "envelope"),
    ],
)
def test_whatever_is_refused_names_its_place_on_stderr_and_in_json(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int, refused: str, where: str
):
    monkeypatch.chdir(shelf.folder)
    question = ["explain", *options, "--trust", "trust.json"]
    plain, machine = CliRunner().invoke(cli.app, question), CliRunner().invoke(cli.app, [*question, "--json"])
    assert (plain.exit_code, plain.stdout, machine.exit_code, machine.stderr) == (code, "", code, plain.stderr)
    answer = json.loads(machine.stdout)
    assert (answer["refused"], answer["where"]) == (refused, where)
    assert plain.stderr == f"{Refused(refused, where, answer['text'])}\n"


def test_what_the_list_says_counts_at_the_instant_asked(shelf: Shelf):
    shelf.list(code_list(grant("g1", windows=((NOON + DAY, NOON + 2 * DAY),)), version=1_000))
    assert shelf.ask(*TRUSTED)["reason"] == "too_early"


@pytest.mark.parametrize(("kind", "reason"), [("renter", "lockdown"), ("emergency", "granted")])
def test_a_list_that_locks_the_door_down_is_explained_as_the_door_takes_it(shelf: Shelf, kind: Any, reason: str):
    shelf.list(
        code_list(
            grant("g1", kind=kind), version=1_000, posture=formats.Posture(state="lockdown", since=NOON, until=None)
        )
    )
    assert shelf.ask(*TRUSTED)["reason"] == reason


def test_a_window_past_the_year_9999_is_early_without_a_date():
    rules, key = code_list(grant("g1", qr=token(), windows=((FAR - 10, FAR),)), version=1_000), make_key()
    explainer = Explainer(seal(formats.dump(rules), formats.TYP, key), {key.verify_key.thumbprint: key.verify_key})
    answer = explainer.explain(Case(NOON, None, token()))
    assert answer == {"verdict": "refused", "reason": "too_early", "grant": "g1"}


@pytest.mark.parametrize(
    "text", ["2026-07-17T12:00:00Z", "2026-07-17t14:00:00.5+02:00", "2026-07-17 12:00:00z", "2026-07-17T11:59:00-00:01"]
)
def test_an_instant_is_rfc_3339(text: str):
    assert utc_seconds(text, "at") == 1_784_289_600


@pytest.mark.parametrize(
    "text",
    [
        *("2026-W29-5T12:00:00Z", "20260717T120000Z", "2026-07-17x12:00:00Z", "2026-07-17T12Z", "2026-07-17T12:00:00"),
        *("2026-07-17T14:00:00+02:00:30", "2026-07-17T12:00:00,5Z", "2026-07-17T24:00:00Z", "2026-07-17T12:00:00Z\n"),
        *("2026-02-30T12:00:00Z", "2026-07-17T12:00:00+24:00", "２０２６-07-17T12:00:00Z", ""),
    ],
)
def test_another_spelling_is_none(text: str):
    with pytest.raises(Refused):
        utc_seconds(text, "at")


def _members(key: Any) -> dict[str, Any]:
    return {name: getattr(key, name) for name in key.__struct_fields__}
