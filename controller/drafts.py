"""What the door writes down, in one place: from verdicts, people and lists to records.

A detail is flat and holds no text from outside; who it was goes into `grant` and `credential_id`, of which the log
keeps a commitment.
"""

from __future__ import annotations

from controller.decide import Installed, Verdict
from controller.draft import DetailValue, Draft
from controller.formats.command import Command
from controller.formats.event import CredentialKind
from controller.passage import Entrant
from controller.posture import Posture


def granted(verdict: Verdict, contact: bool) -> Draft:
    """Somebody is let in. Without a door contact nothing will tell whether they went, so this counts as `in`."""
    detail: dict[str, DetailValue] = {"kind": verdict.kind}
    if not contact:
        detail["contact"] = "none"
    return _of(verdict, Draft("granted", detail=detail))


def refused(verdict: Verdict) -> Draft:
    """Somebody is not let in."""
    return Draft("refused", verdict.reason, verdict.grant, verdict.credential, verdict.via)


def went_in(entrant: Entrant, leaf: str) -> Draft:
    """Somebody came through. `leaf`: it `opened` for them, or stood `open`."""
    return Draft("in", None, entrant.grant, entrant.credential_id, entrant.credential, {"leaf": leaf})


def signed_out(grant: str, credential: str, via: CredentialKind) -> Draft:
    """Somebody said with their PIN or QR that they leave."""
    return Draft("out", None, grant, credential, via, {"by": "sign_out", "attribution": "explicit"})


def went_out(draft: Draft, how: str, who: Entrant | None) -> Draft:
    """An `out` by the door or its button, with its attribution."""
    detail = {**draft.detail, "attribution": how}
    if who is None:
        return Draft("out", detail=detail)
    return Draft("out", None, who.grant, who.credential_id, who.credential, detail)


def list_in_force(installed: Installed) -> Draft:
    """A list counts from now on."""
    code_list = installed.list
    detail: dict[str, DetailValue] = {
        "version": code_list.version,
        "hash": installed.hash,
        "grants": len(code_list.grants),
    }
    return Draft("list", detail=detail)


def commanded(command: Command, faults: int) -> Draft:
    """The hub's command is about to be carried out: what, who wants it, why."""
    detail: dict[str, DetailValue] = {"by": command.by, "why": command.reason}
    if command.until is not None:
        detail["until"] = command.until
    if command.verb == "self_test":
        detail["faults"] = faults
    return Draft("command", command.verb, detail=detail)


def trust_in_force(version: int, epoch: int) -> Draft:
    """Another trust document counts from now on."""
    return Draft("trust", detail={"version": version, "epoch": epoch})


def posture(taken: Posture, by: str, verdict: Verdict | None) -> Draft:
    """Another posture; `by`: keypad, list, time."""
    draft = Draft("posture", detail={"state": taken.state, "until": taken.until_s, "by": by})
    return _of(verdict, draft) if verdict else draft


def unconfirmed(pulse_at_ms: int) -> Draft:
    """A grant whose relay pulse may or may not have happened before the power went (R002-11)."""
    return Draft("no_entry", detail={"outcome": "unknown", "granted_at": pulse_at_ms})


def _of(verdict: Verdict, draft: Draft) -> Draft:
    """The draft as done by whom the verdict is about; a PIN given under duress opens, and says so to the hub."""
    detail = {**draft.detail, "duress": True} if verdict.duress else draft.detail
    return Draft(draft.kind, None, verdict.grant, verdict.credential, verdict.via, detail)
