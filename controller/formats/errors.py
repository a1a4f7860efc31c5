"""The one error for what comes from outside and may not come in.

Everything that crosses a boundary (an envelope, a list, a QR text, a socket line, a config file) either
becomes a typed value or raises `Refused`. Any other exception out of this package is a bug.
"""

from __future__ import annotations


class Refused(Exception):
    """Input from outside was refused.

    `code` is a stable snake_case word that may go to the log and to other programs; `where` names the place
    (`grants[3].windows[0]`, `[lock] pin`); `text` is one sentence for a person. None of the three ever
    repeats a secret: no PIN, no QR text, no key material.
    """

    def __init__(self, code: str, where: str, text: str) -> None:
        super().__init__(f"{where}: {text} ({code})" if where else f"{text} ({code})")
        self.code = code
        self.where = where
        self.text = text


def unusable(error: OSError) -> Refused:
    """What the system says of a file, in the words of everything else that is refused: `exists` or `unreadable`."""
    code = "exists" if isinstance(error, FileExistsError) else "unreadable"
    where = "" if error.filename is None else str(error.filename)
    return Refused(code, where, (error.strerror or str(error) or "cannot be used").lower())
