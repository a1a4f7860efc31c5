"""Cheap signatures and encryption refuse what real ones refuse, and a world goes the same way with either."""

import inspect
from typing import Any

import pytest

from controller.formats import jwe, jwk
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from simulator.cheap_crypto import cheap_crypto
from simulator.world import World


@pytest.fixture
def cheap():
    with cheap_crypto():
        yield


def opened(envelope: bytes, *keys: jwk.SigningKey) -> bytes:
    trusted = {key.verify_key.thumbprint: key.verify_key for key in keys}
    return open_envelope(envelope, "zs-test-1", trusted, max_bytes=1_000).payload


@pytest.mark.usefixtures("cheap")
def test_a_signature_holds_for_its_key_and_bytes_only():
    key, other = jwk.make_key(), jwk.make_key("ES256")
    envelope = seal(b"{}", "zs-test-1", key)
    assert opened(envelope, key) == b"{}"
    assert not other.verify_key.verifies(key.sign(b"x"), b"x")
    assert not key.verify_key.verifies(key.sign(b"x"), b"y")
    with pytest.raises(Refused, match="unknown_key"):
        opened(envelope, other)


@pytest.mark.usefixtures("cheap")
def test_an_encrypted_text_opens_for_its_reader_only_and_unchanged():
    reader, other = jwe.make_key(), jwe.make_key("P-256")
    text = jwe.encrypt(b"content", "zs-test-1", reader.encrypt_key)
    assert jwe.decrypt(text, "zs-test-1", reader, max_bytes=2_000) == b"content"
    assert text != jwe.encrypt(b"content", "zs-test-1", reader.encrypt_key)
    with pytest.raises(Refused, match="wrong_recipient"):
        jwe.decrypt(text, "zs-test-1", other, max_bytes=2_000)
    with pytest.raises(Refused, match="wrong_type"):
        jwe.decrypt(text, "zs-test-2", reader, max_bytes=2_000)
    head, _, tail = text.rpartition(".")
    changed = f"{head}.{'A' if tail[0] != 'A' else 'B'}{tail[1:]}"
    with pytest.raises(Refused, match="bad_ciphertext"):
        jwe.decrypt(changed, "zs-test-1", reader, max_bytes=2_000)


def test_a_world_is_the_same_with_real_keys():
    real: Any = World.__new__(World)
    assert hasattr(World.run, "__wrapped__")
    inspect.unwrap(World.__init__)(real, 7, doors=2)
    assert inspect.unwrap(World.run)(real, 1).hash == World(7, doors=2).run(1).hash
