"""The GPIO header of this unit, through a gpiozero pin factory that is named, never guessed.

Left alone, gpiozero tries one factory after another and may end on a slow or register-banging one with nothing but a
warning. Here the configuration names it: `lgpio` (default; the kernel's interface), `rpigpio` (old boards), or any
plugin of entry-point group `gpiozero_pin_factories` (`mock` in tests, `virtual` in the simulator).

Closing a gpiozero device makes its line an input, but only closing the factory (here: the board) frees it for another
process.
"""

from importlib.metadata import entry_points
from typing import Any, Final, TypeAlias

from hal.errors import BoardFault, DriverUnavailable, translated

Factory: TypeAlias = Any
"""A gpiozero pin factory; gpiozero carries no types."""

GROUP: Final = "gpiozero_pin_factories"

LGPIO_OLDEST: Final = 0x00020200
"""lgpio 0.2.2. On some Python versions an install without a compiler takes a 0.0.0.2 stub that drives nothing."""


class Board:
    """One connection to the header for the whole process, opened when the first driver asks for it.

    `factory_name` is a name in the entry-point group; it is looked up at first use, so a process without pins
    (the camera) never loads a GPIO library.
    """

    def __init__(self, factory_name: str = "lgpio") -> None:
        self.factory_name = factory_name
        self._factory: Factory | None = None

    @classmethod
    def around(cls, factory: Factory) -> "Board":
        """A board over a factory that is open already; `close` closes it."""
        board = cls(type(factory).__name__)
        board._factory = factory
        return board

    def factory(self) -> Factory:
        """The gpiozero factory, for `pin_factory=`. Raises `BoardFault` or `DriverUnavailable`."""
        if self._factory is None:
            self._factory = _open_factory(self.factory_name)
        return self._factory

    def close(self) -> None:
        """Free every line. Close the ports on it first."""
        factory, self._factory = self._factory, None
        if factory is not None:
            with translated(BoardFault, "closing the pin factory"):
                factory.close()


def _open_factory(name: str) -> Factory:
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        raise BoardFault(f"no pin factory {name!r}; installed: {', '.join(sorted(found)) or 'none'}")
    if name == "lgpio":
        _refuse_stub()
    try:
        make = found[name].load()
    except ImportError as cause:
        raise DriverUnavailable(f"pin factory {name!r} needs a library that is missing: {cause}") from cause
    with translated(BoardFault, f"pin factory {name!r} cannot open the header"):
        return make()


def _refuse_stub() -> None:
    try:
        import lgpio
    except ImportError as cause:
        raise DriverUnavailable(f"pin factory 'lgpio' needs the package lgpio: {cause}") from cause
    version = getattr(lgpio, "LGPIO_PY_VERSION", 0)
    if version < LGPIO_OLDEST:
        raise DriverUnavailable(f"lgpio is too old or a stub (0x{version:08x}); 0.2.2 or newer is needed")
