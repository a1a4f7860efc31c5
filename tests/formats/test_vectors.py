"""The golden vectors: up to date, taken by our readers as they say, and by a second implementation in Node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.formats import code_list, command, event, jwe, messages, pin, qr_pass, state, trust, trust_step
from controller.formats.encoding import canonical, unb64
from controller.formats.envelope import open_envelope
from controller.formats.errors import Refused
from controller.formats.jwk import Alg, load_public, make_key
from controller.formats.limits import LIMITS
from tests.vectors import make, trust_cases

NODE = shutil.which("node")
ALGORITHMS: tuple[Alg, ...] = ("Ed25519", "ES256")
SPOKEN: dict[str, Any] = {
    "from camera": messages.FromCamera,
    "from display": messages.FromDisplay,
    "from agent": messages.FromAgent,
    "to agent": messages.ToAgent,
}


def load(name: str) -> Any:
    return json.loads((make.HERE / name).read_text(encoding="utf-8"))


def opened(text: str, typ: str, jwk: Any) -> bytes:
    key = load_public(jwk)
    limit = LIMITS.envelope_bytes
    return open_envelope(text.encode(), typ, {key.thumbprint: key}, max_bytes=limit).payload


def outcome(read: Any, *arguments: Any) -> Any:
    try:
        return read(*arguments)
    except Refused as refusal:
        return refusal.code


@pytest.mark.parametrize("name", make.FILES)
def test_the_files_are_what_the_script_makes(name: str):
    assert (make.HERE / name).read_text(encoding="utf-8") == make.spelled(name), "run python -m tests.vectors.make"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_envelopes(alg: Alg):
    vectors = load("envelopes.json")
    cases = [case for case in vectors["cases"] if case["alg"] == alg]
    assert len([case for case in cases if "refused" in case]) >= 12
    for case in cases:
        wanted = case["refused"] if "refused" in case else unb64(case["payload"], "payload")
        assert outcome(opened, case["envelope"], vectors["typ"], vectors["keys"][alg]) == wanted, case["name"]


def test_lists():
    vectors = load("lists.json")
    for case in vectors["good"]:
        payload = case["payload"].encode()
        assert code_list.dump(code_list.parse(payload)) == payload
        assert code_list.payload_hash(payload) == case["hash"]
        for alg, envelope in case["envelopes"].items():
            assert opened(envelope, code_list.TYP, vectors["keys"][alg]) == payload
    for case in vectors["bad"]:
        assert outcome(code_list.parse, case["payload"].encode()) == case["refused"], case["name"]


def test_qr_passes():
    vectors = load("qr_passes.json")
    keys = {name: unb64(key, name) for name, key in vectors["group_keys"].items()}
    for case in vectors["good"]:
        qr = qr_pass.parse(case["text"])
        assert qr.token.hex() == case["token"]
        for member in ("credential", "start_s", "until_s", "length_minutes", "number", "list_hash", "may_stand_alone"):
            assert getattr(qr, member) == case[member], (case["name"], member)
        assert {name for name, key in keys.items() if qr.tagged_by([key])} == set(case["tagged_by"])
    for case in vectors["bad"]:
        assert outcome(qr_pass.parse, case["text"]) == case["refused"], case["name"]


def test_pins():
    for case in load("pins.json")["cases"]:
        assert pin.derive(case["pin"], msgspec.convert(case["kdf"], code_list.PinKdf)) == case["verifier"]


def test_events():
    vectors = load("events.json")
    opening = msgspec.convert({k: v for k, v in vectors["opening"].items() if k != "who"}, event.Opening)
    (somebody,) = [case["event"]["who"] for case in vectors["good"] if "who" in case["event"]]
    assert opening.commitment() == vectors["opening"]["who"] == somebody
    previous = vectors["genesis"]
    for case in vectors["good"]:
        data = case["bytes"].encode()
        assert canonical(event.parse_event(data)) == data == canonical(case["event"])
        assert (case["prev"], case["hash"]) == (previous, event.chain(previous, data))
        previous = case["hash"]
    for case in vectors["bad"]:
        assert outcome(event.parse_event, case["bytes"].encode()) == case["refused"], case["name"]


@pytest.mark.parametrize(
    ("name", "member", "parse"),
    [
        ("statements.json", "statement", event.parse_statement),
        ("receipts.json", "receipt", event.parse_receipt),
        ("states.json", "state", state.parse_state),
    ],
)
def test_what_is_signed_between_door_and_hub(name: str, member: str, parse: Any):
    vectors = load(name)
    for case in vectors["good"]:
        payload = opened(case["envelope"], vectors["typ"], vectors["key"])
        assert payload == canonical(case[member]) == canonical(parse(payload))
    for case in vectors.get("bad", []):
        assert outcome(parse, case["payload"].encode()) == case["refused"], case["name"]


def test_trusts():
    vectors = load("trusts.json")
    for case in vectors["good"]:
        assert canonical(trust.parse(case["payload"].encode())) == case["payload"].encode()
    for case in vectors["bad"]:
        assert outcome(trust.parse, case["payload"].encode()) == case["refused"], case["name"]


@pytest.mark.parametrize("curve", ["X25519", "P-256"])
def test_encryption(curve: str):
    vectors = load("encrypted.json")
    reader = jwe.load_private(vectors["readers"][curve])
    cases = [case for case in vectors["cases"] if case["curve"] == curve]
    assert len([case for case in cases if "refused" in case]) >= 12
    for case in cases:
        wanted = case["refused"] if "refused" in case else unb64(case["content"], "content")
        assert outcome(decrypted, case["text"], vectors["typ"], reader) == wanted, case["name"]


def decrypted(text: str, typ: str, reader: jwe.DecryptKey) -> bytes:
    return jwe.decrypt(text, typ, reader, max_bytes=LIMITS.envelope_bytes)


def test_commands():
    vectors = load("commands.json")
    for case in vectors["good"]:
        payload = canonical(case["command"])
        assert canonical(command.parse_command(payload)) == payload
        for alg, envelope in case["envelopes"].items():
            assert opened(envelope, command.TYP, vectors["keys"][alg]) == payload
            for curve, text in case["encrypted"][alg].items():
                reader = jwe.load_private(vectors["readers"][curve])
                assert decrypted(text, command.TYP, reader) == envelope.encode()
    assert len(vectors["bad"]) >= 12
    for case in vectors["bad"]:
        assert outcome(command.parse_command, case["payload"].encode()) == case["refused"], case["name"]


def test_socket_lines():
    vectors = load("messages.json")
    for case in vectors["good"]:
        message = messages.decode_line(case["line"].encode(), SPOKEN[case["socket"]], "socket")
        assert messages.encode_line(message) == case["line"].encode() + b"\n"
    for case in vectors["bad"]:
        line = case["line"].encode()
        assert outcome(messages.decode_line, line, SPOKEN[case["socket"]], "socket") == case["refused"], case["name"]


def node(*arguments: object, given: bytes = b"") -> bytes:
    if NODE is None:
        pytest.skip("no Node here: the second implementation cannot run")
    done = subprocess.run(
        [NODE, make.HERE / "check.mjs", *map(str, arguments)], input=given, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_node_agrees_about_every_vector():
    counts = json.loads(node())
    for name in ("envelopes.json", "encrypted.json"):
        assert counts[name] == len(load(name)["cases"])
    assert counts["trusts.json"] >= sum(len(each["bad"]) for each in load("trusts.json")["documents"])
    assert counts["commands.json"] > len(load("commands.json")["bad"])
    assert min(counts.values()) > 0


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_our_gate_opens_what_node_signed(alg: Alg, tmp_path: Path):
    key = make_key(alg)
    path = tmp_path / "key.jwk"
    path.write_text(json.dumps(key.jwk()))
    payload = load("lists.json")["good"][0]["payload"].encode()
    envelope = node("seal", path, code_list.TYP, given=payload)
    assert opened(envelope.decode(), code_list.TYP, key.verify_key.jwk()) == payload


@pytest.mark.parametrize("curve", ["X25519", "P-256"])
def test_we_read_what_node_encrypted_and_node_what_we_did(curve: str, tmp_path: Path):
    reader = jwe.make_key(curve)
    path = tmp_path / "reader.jwk"
    path.write_text(json.dumps(reader.jwk()))
    assert decrypted(node("encrypt", path, "zs-list-1", given=b"codes").decode(), "zs-list-1", reader) == b"codes"
    text = jwe.encrypt(b"codes", "zs-batch-1", reader.encrypt_key)
    assert node("decrypt", path, "zs-batch-1", given=text.encode()) == b"codes"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_trust_step_goes_both_ways(alg: Alg, tmp_path: Path):
    roots = [make_key(alg) for _ in range(3)]
    first, second = (canonical(trust_cases.document(roots, version=version)) for version in (1, 2))
    paths = []
    for number, root in enumerate(roots[:2]):
        path = tmp_path / f"root-{number}.jwk"
        path.write_text(json.dumps(root.jwk()))
        paths.append(path)
    before = tmp_path / "before.json"
    before.write_bytes(node("trust-sign", *paths, given=first))
    theirs = node("trust-sign", *paths, given=second)
    step = trust_step.open_next(theirs, trust_step.open_first(before.read_bytes()).trust)
    assert canonical(step.trust) == second
    assert node("trust-next", before, given=trust_step.sign(second, roots[1:])) == second
