"""The sheet as plain text and as HTML: the same words in the same order as on paper."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from sync.hub.artefacts import qr_picture
from sync.hub.artefacts.sheet import Sheet

STYLE = (
    "body{font:1rem/1.5 sans-serif;max-width:38rem;margin:2rem auto;padding:0 1rem;color:#000;background:#fff}"
    ".pin{font:bold 2.5rem/1.2 monospace;margin:0}svg{width:16rem;height:16rem}"
)


def text(sheet: Sheet) -> str:
    """Plain text for any channel. The QR code is left out: nobody can hold its letters before a camera."""
    words = sheet.words
    parts = [[sheet.title], [f"{words.when}:", *sheet.when()]]
    parts += [[f"{label}: {code}"] for label, code in sheet.codes()]
    parts.append([f"{words.door}:", *_dashed(sheet.at_the_door())])
    parts.append([f"{words.leave}:", *_dashed(sheet.leaving())])
    if sheet.help:
        parts.append([f"{words.help}: {sheet.help}"])
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def html(sheet: Sheet) -> str:
    """A page that needs nothing else: style and QR code are inside, and there is no script."""
    words = sheet.words
    body = [f"<h1>{escape(sheet.title)}</h1>", f"<h2>{escape(words.when)}</h2>", _listed(sheet.when())]
    for label, code in sheet.codes():
        body.append(f'<h2>{escape(label)}</h2><p class="pin">{escape(code)}</p>')
    if sheet.qr is not None:
        body.append(qr_picture.svg(sheet.qr, words.qr))
    body += [f"<h2>{escape(words.door)}</h2>", _listed(sheet.at_the_door())]
    body += [f"<h2>{escape(words.leave)}</h2>", _listed(sheet.leaving())]
    if sheet.help:
        body.append(f"<p>{escape(words.help)}: {escape(sheet.help)}</p>")
    head = f'<meta charset="utf-8"><title>{escape(sheet.title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="{sheet.language}"><head>{head}</head><body>{"".join(body)}</body></html>\n'


def _dashed(lines: Iterable[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _listed(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
