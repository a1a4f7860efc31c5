"""The listener's eye: what is in clear under any wrapping is found, and what is encrypted is not."""

import base64
import json
import zlib

import pytest

from controller.formats import code_list, jwe
from controller.formats.encoding import canonical
from controller.formats.envelope import seal
from controller.formats.jwk import make_key
from simulator.overheard import code_secrets, leaks, secret
from simulator.tap import Overheard
from tests.vectors.list_cases import full_list

PIN, QR = "4829131", "ZS1:" + base64.b32encode(bytes(range(16, 51))).decode()
VERIFIER = b"verifier" * 4
SECRETS = [
    *code_secrets(PIN),
    *code_secrets(QR),
    secret("a verifier", VERIFIER),
    secret("a grant's id", "p-0a1b2c3d4e"),
]


def heard(payload: bytes | str, topic: str = "zs/1/hall-1/list") -> list[str]:
    data = payload.encode() if isinstance(payload, str) else payload
    return list(leaks([Overheard(topic, False, data)], SECRETS))


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (f"code {PIN} for hall", "a PIN"),
        (json.dumps({"a": [{"b": PIN}]}), "a PIN"),
        (json.dumps({"a": int(PIN)}), "a PIN"),
        (json.dumps({PIN: 1}), "a PIN"),
        (json.dumps({"payload": b64(PIN.encode())}), "a PIN"),
        (json.dumps({"a": base64.b64encode(b'{"deep":"' + b64(PIN.encode()).encode() + b'"}').decode()}), "a PIN"),
        (json.dumps({"a": PIN.encode().hex()}), "a PIN"),
        (zlib.compress(json.dumps({"a": PIN}).encode()), "a PIN"),
        (json.dumps({"qr": QR}), "a QR"),
        (json.dumps({"qr": b64(bytes(range(16, 51)))}), "a QR"),
        (json.dumps({"v": b64(VERIFIER)}), "a verifier"),
        (b64(b'{"g":"p-0a1b2c3d4e"}') + ".AAAA.AAAA", "a grant's id"),
        (json.dumps({"kind": "in"}), "movement `in`"),
        (json.dumps({"who": "0" * 64}), "member `who`"),
    ],
)
def test_what_is_in_clear_is_found_under_any_wrapping(payload, what):
    assert any(what in leak for leak in heard(payload))


def test_a_secret_in_a_topic_is_found():
    assert heard(b"", f"zs/1/hall-1/{PIN}")


def test_a_signed_list_is_found_and_an_encrypted_one_is_not():
    envelope = seal(code_list.dump(full_list()), code_list.TYP, make_key())
    assert any("grants" in leak for leak in heard(envelope))
    assert heard(jwe.encrypt(envelope, code_list.TYP, jwe.make_key().encrypt_key)) == []


def test_digits_within_longer_digits_are_no_pin():
    assert heard(json.dumps({"at": f"17{PIN}00", "number": int(f"9{PIN}")})) == []


def test_a_door_may_report_that_it_was_forced():
    assert heard(canonical({"faults": ["forced", "held_open"], "posture": "controlled"})) == []
    assert heard(canonical({"faults": [], "last": "forced"})) == ["zs/1/hall-1/list: movement `forced`, in clear"]
