"""The sheet as one SMS: room, date, from–to and PIN in at most 160 characters of GSM-7 (R000-01).

One character outside the GSM 03.38 alphabet would turn the whole message into UCS-2 with room for 70. So letters the
alphabet lacks lose their accent, and when the message is still too long, the room's name is shortened.
"""

from __future__ import annotations

import unicodedata

from controller.formats.errors import Refused
from sync.hub.artefacts.sheet import Sheet, grouped
from sync.hub.artefacts.words import joined

SMS_MAX = 160

# GSM 03.38, the basic table in the order of its codes (without the escape), and the table behind the escape.
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")

# What decomposition does not bring back to a letter of the alphabet.
_PLAIN = str.maketrans(
    {"œ": "oe", "Œ": "OE", "–": "-", "—": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "…": "...", "ł": "l"}
)
SHORTENED = ".."


def septets(text: str) -> int | None:
    """How many of the 160 places a text takes; None when it cannot be sent as GSM-7."""
    places = 0
    for character in text:
        if character in BASIC:
            places += 1
        elif character in EXTENSION:
            places += 2
        else:
            return None
    return places


def as_gsm7(text: str) -> str:
    """The text in letters of the alphabet: accents it lacks are dropped, anything else foreign becomes `?`."""
    return "".join(map(_letter, text.translate(_PLAIN)))


def _letter(character: str) -> str:
    if character in BASIC or character in EXTENSION:
        return character
    plain = unicodedata.normalize("NFKD", character)[0]
    return plain if plain in BASIC else " " if character.isspace() else "?"


def sms(sheet: Sheet) -> str:
    """The message. Only the first of several times is told, the others are counted. Raises Refused `not_found` for a
    sheet without PIN: a QR code does not fit in an SMS."""
    if not sheet.pins:
        raise Refused("not_found", "artefact", "there is no PIN to put into an SMS")
    words, first = sheet.words, sheet.times[0]
    until = f"{first.until:%H:%M}"
    if first.until.date() != first.start.date():
        until = f"{first.until:%d/%m} {until}"
    others = len(sheet.times) - 1

    def message(rooms: str) -> str:
        told = words.sms.format_map(
            {
                "rooms": rooms,
                "date": f"{first.start:%d/%m/%Y}",
                "from": f"{first.start:%H:%M}",
                "until": until,
                "more": words.sms_more.format(count=others) if others else "",
                "pin": " / ".join(grouped(pin.digits) for pin in sheet.pins),
            }
        )
        return as_gsm7(told)

    rooms = joined(words, sheet.rooms)
    told = message(rooms)
    while (septets(told) or 0) > SMS_MAX and rooms:
        rooms = rooms[:-1]
        told = message(rooms.rstrip() + SHORTENED)
    return told
