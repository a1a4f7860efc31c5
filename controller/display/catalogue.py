"""The words of the screen: one file for each language, all of them complete or none is loaded.

words = catalogues()["nl"]
words.refused["too_early"].title      # "Te vroeg"
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import get_args, get_type_hints

import msgspec

from controller.formats.code_list import Language
from controller.formats.enrolment_messages import Enrolling
from controller.formats.messages import GuideStep
from controller.formats.reasons import Reason

LANGUAGES: tuple[Language, ...] = get_args(Language)
GUIDE_STEPS = frozenset(get_args(GuideStep))
ENROLMENT = frozenset(get_args(get_type_hints(Enrolling)["state"]))
REFUSALS = frozenset(Reason) - {Reason.GRANTED}


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Refusal(_Words, frozen=True):
    """What happened, and what to do now."""

    title: str
    hint: str


class Catalogue(_Words, frozen=True):
    """Every text of one language. In braces: `{time}` and `{day}` as the room's clock says them, `{minutes}`,
    `{number}`, `{keys}`, `{place}`, `{of}`, `{code}` and `{reason}`. `enrolment` and `guide` are for staff who give the
    unit its hub and bring the door into service."""

    name: str
    instruction: str
    notice: str
    free: str
    free_until: str
    in_use_until: str
    typing: str
    typing_hint: str
    granted: str
    granted_hint: str
    signed_out: str
    signed_out_hint: str
    leave_soon: str
    opens_at: str
    opens_on: str
    wait: str
    wait_hint: str
    help: str
    incident: str
    out_of_order: str
    out_of_order_hint: str
    keypad_out: str
    camera_out: str
    lost: str
    lost_hint: str
    refused: dict[str, Refusal]
    keys_left: str
    step_of: str
    enrolment: dict[str, Refusal]
    guide: dict[str, Refusal]

    def __post_init__(self) -> None:
        if set(self.refused) != REFUSALS:
            raise ValueError(f"reasons missing or unknown: {sorted(set(self.refused) ^ REFUSALS)}")
        if set(self.enrolment) != ENROLMENT:
            raise ValueError(f"states missing or unknown: {sorted(set(self.enrolment) ^ ENROLMENT)}")
        if set(self.guide) != GUIDE_STEPS:
            raise ValueError(f"steps missing or unknown: {sorted(set(self.guide) ^ GUIDE_STEPS)}")


@cache
def catalogues() -> dict[Language, Catalogue]:
    """All languages. Raises msgspec.ValidationError when a file has a text too many or too few."""
    folder = resources.files("controller.display") / "catalogues"
    return {
        language: msgspec.toml.decode((folder / f"{language}.toml").read_bytes(), type=Catalogue)
        for language in LANGUAGES
    }
