"""The keyring: what it seals opens in its place only."""

import pytest

from controller.formats.errors import Refused
from sync.hub.keys.keyring import Keyring, make_keys


def test_a_sealed_secret_opens_at_its_place_only(keyring):
    sealed = keyring.seal(b"482913", "c-1")
    assert keyring.unseal(sealed, "c-1") == b"482913"
    assert b"482913" not in sealed
    for altered, place in ((sealed, "c-2"), (sealed[:-1] + b"!", "c-1"), (b"", "c-1")):
        with pytest.raises(Refused, match="bad_seal"):
            keyring.unseal(altered, place)


def test_keys_are_made_once_and_a_broken_file_is_named(tmp_path):
    assert len(make_keys(tmp_path)) == 3
    assert make_keys(tmp_path) == []
    assert "secret" not in repr(Keyring.load(tmp_path))
    (tmp_path / "store.key").write_text("AAAA")
    with pytest.raises(Refused) as refused:
        Keyring.load(tmp_path)
    assert refused.value.where == "store.key"
