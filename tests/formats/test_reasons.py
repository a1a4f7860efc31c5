"""The reasons are names other programs rely on: their spelling and order of judging are fixed."""

from controller.formats.reasons import Reason


def test_names_and_order():
    assert [str(reason) for reason in Reason] == [
        "foreign", "malformed", "locked_out", "list_missing", "unknown_code", "suspended", "clock_untrusted",
        "list_expired", "lockdown", "too_early", "too_late", "room_closed", "room_not_ready", "used_up", "granted",
    ]  # fmt: skip
