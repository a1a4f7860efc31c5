"""The page integrators work from names every member, reason and kind, and its examples are the vectors'."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.formats import (
    code_list,
    command,
    enrolment,
    enrolment_messages,
    envelope,
    event,
    link_place,
    messages,
    state,
    trust,
    trust_step,
)
from controller.formats.jwk import load_public
from controller.formats.limits import LIMITS
from controller.formats.reasons import Reason
from tests.vectors import make

README = (Path(envelope.__file__).parent / "README.md").read_text(encoding="utf-8")
MODULES = (
    code_list,
    command,
    enrolment,
    enrolment_messages,
    envelope,
    event,
    link_place,
    messages,
    state,
    trust,
    trust_step,
)
STRUCTS: list[Any] = [
    struct
    for module in MODULES
    for struct in vars(module).values()
    if isinstance(struct, type)
    and issubclass(struct, msgspec.Struct)
    and struct.__module__ == module.__name__
    and not struct.__name__.startswith("_")
]


def rows(text: str) -> set[str]:
    """What stands in code style in the first cell of a table row."""
    return set(re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE))


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_member_has_its_row_and_no_row_is_stale(struct: Any):
    sections = re.split(r"^#+ ", README, flags=re.MULTILINE)
    section = next((text for text in sections if text.startswith(f"`{struct.__name__}`")), None)
    assert section, f"README.md has no section `{struct.__name__}`"
    table = re.search(r"(^\|.*\n)+", section, flags=re.MULTILINE)
    assert rows(table.group() if table else "") == {field.encode_name for field in msgspec.structs.fields(struct)}
    tag = struct.__struct_config__.tag
    assert tag is None or f"– `{tag}`" in section.splitlines()[0]


@pytest.mark.parametrize("name", [*Reason, *event.EVENT_KINDS])
def test_every_reason_and_kind_has_a_row(name: str):
    assert name in rows(README)


TYPES = [code_list.TYP, event.STATEMENT_TYP, event.RECEIPT_TYP, state.STATE_TYP, trust_step.TYP, command.TYP]


@pytest.mark.parametrize("name", TYPES)
def test_every_purpose_has_a_row(name: str):
    assert name in rows(README)


@pytest.mark.parametrize("field", msgspec.structs.fields(code_list.Policy), ids=lambda field: field.name)
def test_policy_defaults_are_told_as_they_are(field: Any):
    row = next(line for line in README.splitlines() if line.startswith(f"| `{field.name}` |"))
    default = row.split("|")[3].strip().strip("`").replace(",", "")
    if field.default is msgspec.UNSET:
        assert default == "absent"
        return
    spelled = field.default if isinstance(field.default, str) else json.dumps(field.default)
    assert default == (spelled or '""')


@pytest.mark.parametrize("limit", [LIMITS.list_grants, LIMITS.closures, LIMITS.pin_kdf_memory_kib])
def test_limits_are_told_as_they_are(limit: int):
    assert f"{limit:,}" in README


def test_the_worked_examples_are_vectors():
    def load(name: str) -> Any:
        return json.loads((make.HERE / name).read_text(encoding="utf-8"))

    envelopes, passes, pins, events = map(load, ("envelopes.json", "qr_passes.json", "pins.json", "events.json"))
    one_group = next(case for case in passes["good"] if case["name"] == "one group")
    shown = [
        envelopes["keys"]["Ed25519"]["x"],
        load_public(envelopes["keys"]["Ed25519"]).thumbprint,
        envelopes["cases"][0]["envelope"],
        *(one_group[member] for member in ("text", "token", "credential", "start_s", "number", "list_hash")),
        passes["group_keys"]["room"],
        pins["cases"][0]["kdf"]["salt"],
        pins["cases"][0]["verifier"],
        events["good"][0]["bytes"],
        events["good"][0]["hash"],
        *events["opening"].values(),
    ]
    assert [value for value in shown if str(value) not in README] == []
