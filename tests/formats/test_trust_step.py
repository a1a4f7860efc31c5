"""Trust steps: what a thief of keys, a forger and a broken ceremony try."""

import json
from collections.abc import Callable

import msgspec
import pytest

from controller.formats import trust_step
from controller.formats.encoding import canonical
from controller.formats.errors import Refused
from controller.formats.jwk import make_key
from tests.vectors import make
from tests.vectors.trust_cases import ROOTS, document

VECTORS = json.loads((make.HERE / "trusts.json").read_text(encoding="utf-8"))["documents"]
BAD = [(vectors, case) for vectors in VECTORS for case in vectors["bad"]]
ROOT = ROOTS["Ed25519"]
FIRST = document(ROOT)


@pytest.mark.parametrize("vectors", VECTORS, ids=lambda vectors: vectors["alg"])
def test_a_root_is_replaced_under_both_thresholds(vectors):
    first = trust_step.open_first(vectors["first"].encode())
    assert first.hash == vectors["hash"]
    after = trust_step.open_next(vectors["next"].encode(), first.trust).trust
    assert (after.version, set(after.root_keys()) == set(first.trust.root_keys())) == (2, False)


@pytest.mark.parametrize(("vectors", "case"), BAD, ids=lambda value: value.get("name", value.get("alg")))
def test_no_forged_step_is_taken(vectors, case):
    first = trust_step.open_first(vectors["first"].encode()).trust
    with pytest.raises(Refused) as refused:
        trust_step.open_next(case["document"].encode(), first)
    assert refused.value.code == case["refused"]


def test_a_first_document_must_meet_its_own_threshold():
    with pytest.raises(Refused, match="bad_threshold"):
        trust_step.open_first(trust_step.sign(canonical(FIRST), ROOT[:1]))


def test_the_key_epoch_never_goes_back():
    before = msgspec.structs.replace(FIRST, epoch=2)
    after = msgspec.structs.replace(FIRST, version=2, epoch=1)
    with pytest.raises(Refused, match="epoch_back"):
        trust_step.open_next(trust_step.sign(canonical(after), ROOT[:2]), before)


def test_signatures_made_apart_are_combined_once_each():
    payload = canonical(FIRST)
    parts = [trust_step.sign(payload, [root]) for root in ROOT]
    whole = trust_step.combine([parts[0], parts[1], parts[1], parts[2]])
    assert whole == trust_step.sign(payload, ROOT)
    with pytest.raises(Refused, match="bad_trust"):
        trust_step.combine([parts[0], trust_step.sign(canonical(document(ROOT, issued=1)), [make_key()])])


@pytest.mark.parametrize("read", [trust_step.open_first, trust_step.claimed_version, trust_step.payload_of])
def test_a_document_has_a_largest_size_whoever_reads_it(read: Callable[[bytes], object]):
    step = trust_step.sign(canonical(FIRST), ROOT[:2])
    read(step.ljust(trust_step.DOCUMENT_BYTES))
    with pytest.raises(Refused, match="too_large"):
        read(step.ljust(trust_step.DOCUMENT_BYTES + 1))


def test_at_most_256_versions_travel_together():
    step = trust_step.sign(canonical(FIRST), ROOT[:2])
    assert trust_step.unpack(trust_step.pack([step] * 256)) == [step] * 256
    with pytest.raises(Refused, match="too_large"):
        trust_step.unpack(trust_step.pack([step] * 257))
