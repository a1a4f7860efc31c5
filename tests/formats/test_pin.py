"""PIN derivation against the algorithm's published vector and its own bounds."""

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given
from hypothesis import strategies as st

from controller.formats import pin
from controller.formats.code_list import PinKdf
from controller.formats.encoding import b64, unb64

LIGHT = PinKdf(salt=b64(b"0123456789abcdef"), memory_kib=64, iterations=1)


def test_the_library_is_argon2id_of_rfc_9106():
    """RFC 9106, section 5.3: with secret and associated data, which we do not use, the known tag comes out."""
    derivation = Argon2id(
        salt=b"\2" * 16, length=32, iterations=3, lanes=4, memory_cost=32, secret=b"\3" * 8, ad=b"\4" * 12
    )
    tag = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
    assert derivation.derive(b"\1" * 32).hex() == tag


def test_a_verifier_is_32_bytes_of_pin_and_salt():
    verifier = pin.derive("482913", LIGHT)
    assert len(unb64(verifier, "verifier")) == pin.VERIFIER_BYTES
    assert verifier == pin.derive("482913", LIGHT)
    other_door = PinKdf(salt=b64(b"fedcba9876543210"), memory_kib=64, iterations=1)
    assert len({verifier, pin.derive("482914", LIGHT), pin.derive("482913", other_door)}) == 3


@given(st.text(max_size=9), st.integers(6, 8))
def test_a_pin_is_ascii_digits_only(text: str, digits: int):
    assert pin.is_pin(text, digits) == (len(text) == digits and text.isascii() and text.isdigit())


@pytest.mark.parametrize(
    "text", ["", "48291", "4829133", "48291a", "٤٨٢٩١٣", "４８２９１３", "48291\n", "482 13", "-48291"]
)
def test_these_are_no_pins_of_six(text: str):
    assert not pin.is_pin(text, 6)
