"""The rules of deciding once more, naively, for the witness of the simulated world: loops over windows, no look-ups, no
code of the door's. The comparison with `decide` case by case is in tests/oracle; this judges what doors really said.
"""

from __future__ import annotations

from controller.door_events import Now
from controller.formats.code_list import CodeList, Grant
from controller.formats.qr_pass import QrPass


def expected(code_list: CodeList, grant: Grant, now: Now, posture: str, uses: int) -> str:
    """What this list says about this grant at this moment."""
    if not grant.active:
        return "suspended"
    clock_good = now.trusted and now.utc_s >= code_list.issued - 120
    if not clock_good and not grant.offline_ok:
        return "clock_untrusted"
    if clock_good and now.utc_s >= code_list.valid_until and not grant.offline_ok:
        return "list_expired"
    if posture == "lockdown" and grant.kind != "emergency":
        return "lockdown"
    in_time = _in_time(code_list, grant, now) if clock_good else _not_over(grant, now.floor_s)
    if in_time != "granted":
        return in_time
    return "used_up" if grant.max_uses is not None and uses >= grant.max_uses else "granted"


def as_grant(shown: QrPass) -> Grant:
    """A pass that stands alone, as the grant it speaks of."""
    return Grant(
        id=f"p-{shown.credential}",
        kind="renter",
        active=True,
        windows=((shown.start_s, shown.until_s),),
        max_uses=None,
        offline_ok=False,
        pins=(),
        qrs=(),
    )


def _in_time(code_list: CodeList, grant: Grant, now: Now) -> str:
    if not any(start <= now.utc_s < end for start, end in grant.windows):
        return "too_early" if any(start > now.utc_s for start, _ in grant.windows) else "too_late"
    if grant.kind == "renter":
        for reason in ("room_closed", "room_not_ready"):
            if any(c.reason == reason and c.from_ <= now.utc_s < c.until for c in code_list.closures):
                return reason
    return "granted"


def _not_over(grant: Grant, floor_s: int) -> str:
    return "granted" if any(end > floor_s for _, end in grant.windows) else "too_late"
