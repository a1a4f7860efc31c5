"""Values that carry a code or a secret, and do not tell it to whoever prints them: no traceback, log or test report."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Discreet(msgspec.Struct, frozen=True):
    """`hidden` names the field that is left out of the value's text."""

    hidden: ClassVar[str]

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name != self.hidden)
        return f"{type(self).__name__}({', '.join(shown)})"
