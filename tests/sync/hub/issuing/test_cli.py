"""`zaalsleutel list make` and `list inspect`, from a plain file to what a door would read."""

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.formats import code_list, jwe, jwk, pin, qr_pass
from controller.formats.encoding import b64, unb64
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from controller.formats.limits import LIMITS
from sync.hub.issuing import cli as list_cli
from sync.hub.issuing import plain_list

run = CliRunner()
NOON = 1_784_289_600  # 2026-07-17T12:00:00Z
ROOM, OLD_ROOM, ENTRANCE = bytes(32), b"\1" * 32, b"\2" * 32


def plain(**changes: Any) -> dict[str, Any]:
    return {
        "door": "hall-1",
        "epoch": 1,
        "version": NOON,
        "issued": "2026-07-14T00:00:00Z",
        "refresh_after": "2026-07-15T00:00:00Z",
        "valid_until": "2026-08-04T00:00:00Z",
        "grants": [grant()],
        **changes,
    }


def grant(**changes: Any) -> dict[str, Any]:
    windows = [["2026-07-17T12:00:00Z", "2026-07-17T16:00:00Z"]]
    return {"id": "g-1", "kind": "renter", "active": True, "windows": windows, **changes}


class Desk:
    """A folder with a key, and the two commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = make_key()
        self.out = folder / "list.json"
        self.write("key.jwk", self.key.jwk())
        self.write("key.pub.jwk", self.key.verify_key.jwk())

    def write(self, name: str, document: object) -> Path:
        path = self.folder / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    def run(self, *arguments: object) -> tuple[int, str, str]:
        done = run.invoke(list_cli.app, [*map(str, arguments)])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.stdout, done.stderr

    def make(self, document: object, *more: object, key: str = "key.jwk") -> tuple[int, str, str]:
        source = self.write("plain.json", document)
        return self.run("make", "--input", source, "--key", self.folder / key, "--out", self.out, "--json", *more)

    def made(self, document: object, *more: object) -> tuple[dict[str, Any], code_list.CodeList]:
        status, out, err = self.make(document, *more)
        assert (status, err) == (0, "")
        keys = {self.key.verify_key.thumbprint: self.key.verify_key}
        opened = open_envelope(self.out.read_bytes(), code_list.TYP, keys, max_bytes=LIMITS.envelope_bytes)
        answer = json.loads(out)
        assert answer["hash"] == code_list.payload_hash(opened.payload)
        return answer, code_list.parse(opened.payload)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def light_pins(mocker: Any) -> None:
    """A derivation that takes no time, for tests that are not about it."""
    mocker.patch.object(plain_list, "derive", lambda text, kdf: b64(text.encode().ljust(32, b"\0")))


def test_the_least_that_can_be_said(desk: Desk):
    answer, made = desk.made(plain())
    assert answer == {"door": "hall-1", "version": NOON, "hash": answer["hash"], "qr": {}}
    assert made.policy == code_list.Policy()
    assert made.grants[0] == code_list.Grant(
        id="g-1", kind="renter", active=True, windows=((NOON, NOON + 14_400),), max_uses=None, offline_ok=False,
        pins=(), qrs=(),
    )  # fmt: skip
    assert (made.posture, made.shrink, made.closures) == (None, False, ())
    assert [entry.group for entry in made.pass_keys] == ["room"]
    assert stat.S_IMODE(desk.out.stat().st_mode) == 0o600


def test_everything_that_can_be_said(desk: Desk):
    closure = {"from": "2026-07-17T12:00:00+00:00", "until": "2026-07-17T13:00:00Z", "reason": "room_not_ready"}
    grants = [grant(pins=["48291377", "00000000"], qr=True, max_uses=3, offline_ok=True, active=False)]
    answer, made = desk.made(
        plain(policy={"pin_digits": 8, "languages": ["fr", "nl"]}, closures=[closure], grants=grants)
    )
    assert (made.policy.pin_digits, made.policy.pin_tries, made.policy.languages) == (8, 10, ("fr", "nl"))
    assert made.closures == (code_list.Closure(from_=NOON, until=NOON + 3_600, reason="room_not_ready"),)
    only = made.grants[0]
    assert [entry.verifier for entry in only.pins] == [
        pin.derive(text, made.pin_kdf) for text in ("48291377", "00000000")
    ]
    assert (only.max_uses, only.offline_ok, only.active) == (3, True, False)
    assert [qr_pass.parse(text).list_hash for text in answer["qr"]["g-1"]] == [entry.hash for entry in only.qrs]
    assert not any(text in desk.out.read_text() for text in ("48291377", "00000000"))


def test_windows_are_sorted_overlaps_merged_and_neighbours_left_alone(desk: Desk):
    windows = [
        ["2026-07-17T14:00:00Z", "2026-07-17T15:00:00Z"],
        ["2026-07-17T12:00:00Z", "2026-07-17T13:00:00Z"],
        ["2026-07-17T13:00:00Z", "2026-07-17T13:30:00Z"],
        ["2026-07-17T14:30:00Z", "2026-07-17T16:00:00Z"],
        ["2026-07-17T14:40:00Z", "2026-07-17T14:50:00Z"],
    ]
    _, made = desk.made(plain(grants=[grant(windows=windows)]))
    hours = [((start - NOON) / 3_600, (end - NOON) / 3_600) for start, end in made.grants[0].windows]
    assert hours == [(0, 1), (1, 1.5), (2, 4)]


@pytest.mark.parametrize(
    ("window", "start_s", "minutes"),
    [
        (["2026-07-17T12:00:00Z", "2026-07-17T16:00:00Z"], NOON, 240),
        (["2026-07-17T12:00:59Z", "2026-07-17T16:00:01Z"], NOON, 241),
        (["2026-07-17T12:00:00Z", "2026-07-18T12:00:00Z"], NOON, 1_440),
        (["2026-07-17T12:00:00Z", "2026-07-18T12:00:01Z"], NOON, 0),
        (["2023-07-17T12:00:00Z", "2023-07-17T13:00:00Z"], qr_pass.EPOCH_S, 0),
        (["2090-07-17T12:00:00Z", "2090-07-17T13:00:00Z"], qr_pass.EPOCH_S, 0),
    ],
)
def test_a_pass_says_its_first_window_or_nothing(desk: Desk, window: list[str], start_s: int, minutes: int):
    later = ["2091-01-01T00:00:00Z", "2091-01-02T00:00:00Z"]
    answer, made = desk.made(plain(grants=[grant(windows=[later, window], qr=True)]))
    qr = qr_pass.parse(answer["qr"]["g-1"][0])
    assert (qr.start_s, qr.length_minutes, qr.number) == (start_s, minutes, NOON)
    assert qr.tagged_by([unb64(made.pass_keys[0].key, "key")])
    assert made.grants[0].qrs == (code_list.QrEntry(qr.credential, qr.list_hash),)


def test_a_pass_without_windows(desk: Desk):
    answer, _ = desk.made(plain(grants=[grant(windows=[], qr=True)]))
    assert not qr_pass.parse(answer["qr"]["g-1"][0]).may_stand_alone


def test_given_group_keys_tag_the_newest_of_each_group(desk: Desk):
    entries = [["entrance", b64(ENTRANCE)], ["room", b64(ROOM)], ["room", b64(OLD_ROOM)]]
    answer, made = desk.made(plain(grants=[grant(qr=True)]), "--pass-keys", desk.write("keys.json", entries))
    assert [[entry.group, entry.key] for entry in made.pass_keys] == entries
    qr = qr_pass.parse(answer["qr"]["g-1"][0])
    assert [qr.tagged_by([key]) for key in (ENTRANCE, ROOM, OLD_ROOM)] == [True, True, False]


def test_more_groups_than_a_pass_has_room_for(desk: Desk):
    keys = [bytes([number]) * 32 for number in range(5)]
    entries = [[f"group-{number}", b64(key)] for number, key in enumerate(keys)]
    answer, _ = desk.made(plain(grants=[grant(qr=True)]), "--pass-keys", desk.write("keys.json", entries))
    qr = qr_pass.parse(answer["qr"]["g-1"][0])
    assert [qr.tagged_by([key]) for key in keys] == [True, True, True, False, False]


def test_two_lists_share_no_salt_no_key_and_no_pass(desk: Desk):
    first, one = desk.made(plain(grants=[grant(qr=True)]))
    second, two = desk.made(plain(grants=[grant(qr=True)]))
    assert first["qr"] != second["qr"]
    assert one.pin_kdf.salt != two.pin_kdf.salt
    assert one.pass_keys != two.pass_keys


@pytest.mark.usefixtures("light_pins")
def test_five_thousand_pins_keep_their_grants(desk: Desk):
    grants = [grant(id=f"g-{number}", pins=[f"{number:06}"]) for number in range(LIMITS.list_grants)]
    _, made = desk.made(plain(grants=grants))
    for number in (0, 1, 2_500, 4_999):
        assert unb64(made.grants[number].pins[0].verifier, "verifier")[:6] == f"{number:06}".encode()


def test_derivation_keeps_the_order_and_counts(mocker: Any):
    kdf = code_list.PinKdf(salt=b64(bytes(16)), memory_kib=8, iterations=1)
    done = mocker.Mock()
    pins = [f"{number:06}" for number in range(50)]
    assert plain_list.derive_all(pins, kdf, done) == [pin.derive(text, kdf) for text in pins]
    assert done.call_count == 50


def edited(edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = plain(grants=[grant(pins=["482913"]), grant(id="g-2", pins=["771204"])])
    edit(document)
    return document


PARTY = {"from": "2026-07-17T12:00:00Z", "until": "2026-07-17T13:00:00Z", "reason": "party"}
BACKWARD = [["2026-07-17T12:00:00Z", "2026-07-17T12:00:00Z"]]


def first(**changes: Any) -> dict[str, Any]:
    return edited(lambda document: document["grants"][0].update(changes))


def second(**changes: Any) -> dict[str, Any]:
    return edited(lambda document: document["grants"][1].update(changes))


def whole(**changes: Any) -> dict[str, Any]:
    return edited(lambda document: document.update(changes))


BAD: list[tuple[str, Any, str, str]] = [
    ("too short a PIN", second(pins=["7712"]), "bad_pin", "grants[1].pins[0]"),
    ("too long a PIN", second(pins=["771204", "7712045"]), "bad_pin", "grants[1].pins[1]"),
    ("letters", first(pins=["48291x"]), "bad_pin", "grants[0].pins[0]"),
    ("digits of another script", first(pins=["٤٨٢٩١٣"]), "bad_pin", "grants[0].pins[0]"),
    ("a PIN as a number", first(pins=[482913]), "bad_schema", "grants[0].pins[0]"),
    ("of policy length only", whole(policy={"pin_digits": 7}), "bad_pin", "grants[0].pins[0]"),
    ("one PIN in two grants", second(pins=["482913"]), "pin_taken", "grants[1].pins[0]"),
    ("one PIN twice", first(pins=["482913"] * 2), "pin_taken", "grants[0].pins[1]"),
    ("unknown member", first(pin="482913"), "bad_schema", "grants[0]"),
    ("no grants", edited(lambda d: d.pop("grants")), "bad_schema", "input"),
    ("local time", whole(issued="2026-07-14T00:00:00+02:00"), "bad_schema", "issued"),
    ("no such day", whole(issued="2026-02-30T00:00:00Z"), "bad_instant", "issued"),
    ("before 1970", whole(issued="1969-12-31T23:59:59Z"), "bad_instant", "issued"),
    ("a backward window", first(windows=BACKWARD), "bad_list", "grants[0].windows[0]"),
    ("a grant id twice", second(id="g-1"), "bad_list", "grants[1].id"),
    ("a list that ends before it begins", whole(valid_until="2026-07-13T00:00:00Z"), "bad_list", "input"),
    ("unknown closure", whole(closures=[PARTY]), "bad_schema", "closures[0].reason"),
    ("not JSON", "{", "not_json", "input"),
    ("a name twice", json.dumps(plain())[:-1] + ',"epoch":2}', "duplicate_member", "input"),
]


@pytest.mark.parametrize(("document", "code", "where"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_refused_naming_the_place_but_no_pin(desk: Desk, document: Any, code: str, where: str):
    status, out, err = desk.make(document)
    assert status == 1
    assert (json.loads(out)["refused"], json.loads(out)["where"]) == (code, where)
    assert re.fullmatch(rf"{re.escape(where)}: .+ \({code}\)\n", err)
    assert not re.search(r"\d{6}", out + err)
    assert not desk.out.exists()


@pytest.mark.parametrize(
    "changes", [{"issued": "2026-07-14T02:00:00+02:00"}, {"closures": [{**PARTY, "from": "18:00"}]}]
)
def test_an_instant_of_another_form_is_told_by_an_example(desk: Desk, changes: dict[str, Any]):
    _, _, err = desk.make(whole(**changes))
    assert "like 2026-07-17T11:45:00Z" in err


def test_a_refused_list_leaves_the_old_one_in_place(desk: Desk):
    desk.made(plain())
    before = desk.out.read_bytes()
    assert desk.make("{")[0] == 1
    assert desk.out.read_bytes() == before


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("key.pub.jwk", "bad_key"),
        ("nothing.jwk", "unreadable"),
        ("receipt.jwk", "wrong_purpose"),
        ("odd.jwk", "not_json"),
    ],
)
def test_bad_keys(desk: Desk, key: str, code: str):
    desk.write("receipt.jwk", {**desk.key.jwk(), "purpose": "receipt"})
    desk.write("odd.jwk", "[]")
    status, out, err = desk.make(plain(), key=key)
    assert (status, json.loads(out)["refused"]) == (2 if code == "unreadable" else 1, code)
    assert desk.key.jwk()["d"] not in out + err


@pytest.mark.parametrize("entries", ["{}", '[["room","AAAA"]]', '[["room"]]', '[["ro om","' + b64(ROOM) + '"]]'])
def test_bad_group_keys(desk: Desk, entries: str):
    status, out, _ = desk.make(plain(), "--pass-keys", desk.write("keys.json", entries))
    assert (status, json.loads(out)["refused"]) == (1, "bad_schema")
    assert json.loads(out)["where"].startswith("pass keys")


@pytest.mark.parametrize("name", ["key.jwk", "plain.json", "link"])
def test_what_the_list_is_made_from_is_not_written_over(desk: Desk, name: str):
    (desk.folder / "link").symlink_to("key.jwk")
    desk.out = desk.folder / name
    assert desk.make(plain())[0] == 1
    assert json.loads((desk.folder / "key.jwk").read_bytes()) == desk.key.jwk()
    assert json.loads((desk.folder / "plain.json").read_bytes()) == plain()


def test_make_without_json_is_for_people(desk: Desk):
    source = desk.write("plain.json", plain(grants=[grant(qr=True)]))
    status, out, _ = desk.run("make", "--input", source, "--key", desk.folder / "key.jwk", "--out", desk.out)
    assert status == 0
    assert "hall-1" in out
    assert re.search(r"^g-1  ZS1:[A-Z2-7]{56}$", out, flags=re.MULTILINE)


@pytest.mark.parametrize("name", ["key.jwk", "key.pub.jwk"])
def test_inspect_verifies_with_either_half_of_the_key(desk: Desk, name: str):
    answer, made = desk.made(plain(grants=[grant(pins=["482913"], qr=True)]))
    status, out, _ = desk.run("inspect", desk.out, "--key", desk.folder / name, "--json")
    summary = json.loads(out)
    assert status == 0
    assert summary["verified"] is True
    assert (summary["kid"], summary["hash"]) == (desk.key.verify_key.thumbprint, answer["hash"])
    assert summary["grants"] == [{**grant(), "max_uses": None, "offline_ok": False, "pins": 1, "qrs": 1}]
    only = made.grants[0]
    secrets = [only.pins[0].verifier, only.qrs[0].hash, made.pass_keys[0].key, made.pin_kdf.salt]
    assert not any(secret in out for secret in secrets)


def test_inspect_without_a_key_says_that_nothing_is_proven(desk: Desk):
    desk.made(plain(grants=[grant(pins=["482913"])]))
    status, out, _ = desk.run("inspect", desk.out)
    assert (status, "NOT VERIFIED" in out, "g-1" in out) == (0, True, True)
    assert json.loads(desk.run("inspect", desk.out, "--json")[1])["verified"] is False


@pytest.mark.parametrize("forgery", ["another key", "another purpose", "changed"])
def test_inspect_refuses_a_forgery(desk: Desk, forgery: str):
    _, made = desk.made(plain())
    payload = code_list.dump(made)
    data = {
        "another key": seal(payload, code_list.TYP, make_key()),
        "another purpose": seal(payload, "zs-receipt-1", desk.key),
        "changed": desk.out.read_bytes().replace(b'"signature":"', b'"signature":"A')[:-3] + b'"}',
    }[forgery]
    desk.out.write_bytes(data)
    status, out, err = desk.run("inspect", desk.out, "--key", desk.folder / "key.pub.jwk", "--json")
    assert status == 1
    assert json.loads(out)["refused"] in {"unknown_key", "wrong_type", "bad_signature", "bad_base64"}
    assert err.startswith("envelope")


def test_the_published_schema_is_the_implementation():
    published = Path(plain_list.__file__).parents[3] / "docs" / "formats" / "plain-list.schema.json"
    remake = "python -c 'from sync.hub.issuing.plain_list import schema; print(schema(), end=str())'"
    assert published.read_text(encoding="utf-8") == plain_list.schema(), (
        f"{remake} > docs/formats/plain-list.schema.json"
    )


def test_the_example_of_the_documentation_is_a_list(desk: Desk):
    page = (Path(plain_list.__file__).parents[3] / "docs" / "formats" / "README.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(\{.*?\n\})\n```", page, flags=re.DOTALL)
    assert example
    answer, made = desk.made(example.group(1))
    assert list(answer["qr"]) == [made.grants[0].id]
    assert jwk.read_private((desk.folder / "key.jwk").read_bytes()).verify_key == desk.key.verify_key


@pytest.mark.parametrize("curve", ["X25519", "P-256"])
def test_a_list_is_encrypted_after_signing_to_one_door(desk: Desk, curve: str):
    reader = jwe.make_key(curve)
    public = desk.write("door.pub.jwk", reader.encrypt_key.jwk())
    status, out, err = desk.make(plain(grants=[grant(pins=["482913"])]), "--encrypt-to", public)
    assert (status, err) == (0, "")
    text = desk.out.read_text()
    envelope = jwe.decrypt(text, code_list.TYP, reader, max_bytes=LIMITS.envelope_bytes)
    keys = {desk.key.verify_key.thumbprint: desk.key.verify_key}
    opened = open_envelope(envelope, code_list.TYP, keys, max_bytes=LIMITS.envelope_bytes)
    assert json.loads(out)["hash"] == code_list.payload_hash(opened.payload)
    with pytest.raises(Refused, match="wrong_recipient"):
        jwe.decrypt(text, code_list.TYP, jwe.make_key(curve), max_bytes=LIMITS.envelope_bytes)
    assert stat.S_IMODE(desk.out.stat().st_mode) == 0o600


@pytest.mark.parametrize("given", ["a signing key", "half a key", "nothing"])
def test_what_is_no_key_to_encrypt_to_makes_no_list(desk: Desk, given: str):
    path = {
        "a signing key": lambda: desk.folder / "key.pub.jwk",
        "half a key": lambda: desk.write("half", {"kty": "OKP", "crv": "X25519"}),
        "nothing": lambda: desk.folder / "not-there",
    }[given]()
    status, out, _ = desk.make(plain(), "--encrypt-to", path)
    assert (status, json.loads(out)["refused"]) == ((2, "unreadable") if given == "nothing" else (1, "bad_key"))
    assert not desk.out.exists()
