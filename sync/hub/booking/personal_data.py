"""What must not come in: strings that name or reach a person (R002-25, R000-16).

The contract has no field for a name or an address; this looks at what is left, the references a client may choose
freely, for a national register number (with its checksum), an e-mail address or a phone number. Who a reservation is
for is one word besides: names and street addresses have several.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from controller.formats.errors import Refused

_REGISTER_NUMBER = re.compile(r"(?<!\d)(\d{2})[ ./_-]?(\d{2})[ ./_-]?(\d{2})[ ./_-]?(\d{3})[ ./_-]?(\d{2})(?!\d)")
# One character before the @ is enough to know: a `+` there takes the square of a long text's length.
_EMAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
# +32 3 444 18 16 · 0032… · 03/444.18.16 · 0470 12 34 56
_PHONE = re.compile(r"(?<![\w.:-])(?:(?:\+|00)[1-9](?:[ ./-]?\d){7,13}|0[1-9](?:[ ./-]?\d){7,8})(?![\w])")


def refuse_personal_data(texts: Iterable[tuple[str, str]]) -> None:
    """Look at (where, text) pairs. Raises Refused `personal_data_refused`, naming the place, never the text."""
    for where, text in texts:
        if _EMAIL.search(text) or _PHONE.search(text) or _has_register_number(text):
            raise Refused(
                "personal_data_refused", where, "looks like personal data; use a reference that means nothing"
            )


def refuse_person(where: str, reference: str) -> None:
    """The same for the reference of a holder, which is one word. Raises Refused `personal_data_refused`."""
    if " " in reference:
        raise Refused("personal_data_refused", where, "names and addresses have spaces; a holder's reference has none")
    refuse_personal_data([(where, reference)])


def _has_register_number(text: str) -> bool:
    """Birth date, serial, then 97 minus the first nine digits modulo 97; births from 2000 on count with a 2 before.
    Months go up by 20 or 40 in the numbers of people who are not in the register."""
    for found in _REGISTER_NUMBER.finditer(text):
        digits, check = "".join(found.groups()[:4]), int(found[5])
        dated = int(found[2]) % 20 <= 12 and int(found[3]) <= 31
        if dated and check in {97 - int(digits) % 97, 97 - int(f"2{digits}") % 97}:
            return True
    return False
