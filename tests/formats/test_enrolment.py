"""Enrolment: the QR's one spelling and its size; nothing that travels can be altered."""

from __future__ import annotations

import contextlib
import re
import string
from pathlib import Path

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from controller.formats import enrolment as formats
from controller.formats import jwe
from controller.formats.encoding import b64, canonical, parse_object
from controller.formats.enrolment import Acceptance, Broker, Invitation, Request
from controller.formats.errors import Refused
from controller.formats.jwk import make_key

ALPHANUMERIC = set(string.digits + string.ascii_uppercase + " $%*+-./:")
KEY = bytes(range(32))
REQUEST = Request(
    code="4271",
    csr="-----BEGIN CERTIFICATE REQUEST-----\nAA\n-----END CERTIFICATE REQUEST-----\n",
    door="hall-1",
    encrypt_key=jwe.make_key().encrypt_key.jwk(),
    event_key=make_key().verify_key.jwk(),
    nonce="ab" * 16,
    trust="cd" * 16,
)
ANSWER = Acceptance(
    broker=Broker(host="broker.example", port=8883), certificate="-----BEGIN…", door="hall-1", request="ef" * 32
)


@st.composite
def invitations(draw: st.DrawFn) -> Invitation:
    door = draw(st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=39))
    room = formats.NAMES_CHARS - len(door)
    hub = draw(st.text(string.ascii_lowercase + string.digits + ".-", min_size=1, max_size=min(39, room)))
    port = draw(st.integers(1, 65_535).map(lambda number: f":{number}"))
    hub += port if len(hub) + len(port) <= room else ""
    return Invitation(
        draw(st.binary(min_size=16, max_size=16)).hex(), draw(st.binary(min_size=10, max_size=10)), door, hub
    )


@given(invitations())
def test_an_invitation_is_short_and_comes_back_as_it_was(invitation: Invitation):
    text = invitation.text()
    assert set(text) <= ALPHANUMERIC
    assert len(text) <= formats.TEXT_CHARS
    assert formats.parse_invitation(text) == invitation


def test_the_longest_invitation_is_a_code_of_version_4_m():
    text = Invitation("ff" * 16, b"\xff" * 10, "a" * 20, "h" * 21).text()
    assert len(text) == formats.TEXT_CHARS
    assert segno.make(text, error="m", micro=False, boost_error=False).designator == "4-M"


@given(invitations(), st.data())
def test_another_spelling_is_none(invitation: Invitation, data: st.DataObject):
    text = invitation.text()
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from(sorted(ALPHANUMERIC | set("abz_\n"))))
    altered = text[:place] + letter + text[place + 1 :]
    with contextlib.suppress(Refused):
        assert formats.parse_invitation(altered).text() == altered


@pytest.mark.parametrize(
    "text", ["ZSE1:", "ZS1:" + "A" * 56, "", "zse1:" + "A" * 42 + "/D/H", "ZSE1:" + "A" * 42 + "/D/H:0"]
)
def test_what_is_no_invitation(text: str):
    with pytest.raises(Refused, match="malformed"):
        formats.parse_invitation(text)


def test_names_that_do_not_fit_are_refused_before_a_code_is_made():
    with pytest.raises(Refused, match="names_too_long"):
        formats.check_names("a" * 20, "b" * 22)
    formats.check_names("a" * 20, "b" * 21)


def test_host_and_port():
    assert formats.host_and_port("hub.example") == ("hub.example", 443)
    assert formats.host_and_port("hub.example:8443") == ("hub.example", 8443)


def test_request_and_answer_come_back():
    sealed = formats.seal_request(REQUEST, KEY)
    request, digest = formats.open_request(sealed, KEY)
    assert request == REQUEST
    assert digest == formats.request_hash(sealed)
    assert formats.claimed_door(sealed) == "hall-1"
    assert formats.open_answer(formats.seal_answer(ANSWER, KEY), KEY) == ANSWER


@given(st.data())
def test_a_flip_of_any_byte_of_request_or_answer_is_refused(data: st.DataObject):
    for sealed, open_ in (
        (formats.seal_request(REQUEST, KEY), formats.open_request),
        (formats.seal_answer(ANSWER, KEY), formats.open_answer),
    ):
        place, flip = data.draw(st.integers(0, len(sealed) - 1)), data.draw(st.integers(1, 255))
        altered = sealed[:place] + bytes([sealed[place] ^ flip]) + sealed[place + 1 :]
        with pytest.raises(Refused):
            open_(altered, KEY)


@pytest.mark.parametrize("member", ["code", "csr", "door", "encrypt_key", "event_key", "nonce", "trust"])
def test_every_member_of_a_request_is_under_the_mac(member: str):
    """An agent that swaps a key or the certificate request has no secret to authenticate the rest again."""
    sealed = parse_object(formats.seal_request(REQUEST, KEY), "request")
    other = {
        "code": "1111", "csr": "other", "door": "hall-2", "encrypt_key": jwe.make_key().encrypt_key.jwk(),
        "event_key": make_key().verify_key.jwk(), "nonce": "00" * 16, "trust": "00" * 16,
    }  # fmt: skip
    members = {name: getattr(REQUEST, name) for name in REQUEST.__struct_fields__} | {member: other[member]}
    with pytest.raises(Refused, match="bad_mac"):
        formats.open_request(canonical({**sealed, "payload": b64(canonical(members))}), KEY)


def test_an_answer_is_no_request_and_a_request_no_answer():
    with pytest.raises(Refused, match="bad_mac"):
        formats.open_answer(formats.seal_request(REQUEST, KEY), KEY)
    with pytest.raises(Refused, match="bad_mac"):
        formats.open_request(formats.seal_answer(ANSWER, KEY), KEY)


def test_the_secret_is_nowhere_in_what_is_kept_or_shown():
    invitation = Invitation("ab" * 16, b"0123456789", "hall-1", "hub.example")
    assert "0123456789" not in repr(invitation)
    assert invitation.secret not in invitation.mac_key()


def test_the_example_on_the_page_is_true():
    page = (Path(formats.__file__).parent / "README.md").read_text("utf-8").partition("\n## Enrolment\n")[2]
    example = dict(re.findall(r"^(trust|secret|text|key|payload|mac|request) +(\S+)$", page, re.MULTILINE)[:7])
    invitation = Invitation(example["trust"], bytes.fromhex(example["secret"]), "hall-1", "hub.example:8443")
    assert invitation.text() == example["text"]
    assert invitation.mac_key().hex() == example["key"]
    sealed = canonical({"mac": example["mac"], "payload": b64(example["payload"].encode())})
    _, digest = formats.open_request(sealed, bytes.fromhex(example["key"]))
    assert digest == example["request"]
