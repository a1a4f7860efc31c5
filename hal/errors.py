"""What hardware can do to us. Every exception that leaves a driver is a `HardwareFault`; any other is a bug.

A wrong argument of ours (a lease of 11 s, a signal that does not exist) is a `ValueError`, not a fault.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class HardwareFault(Exception):
    """Something electrical or its driver failed; the text says what, in words for the fault list."""


class UnknownDriver(HardwareFault):
    """The configuration names a port or a driver that is not in the catalog."""


class DriverUnavailable(HardwareFault):
    """The driver exists, but a library it needs is not installed or is too old."""


class BoardFault(HardwareFault):
    """The GPIO header cannot be opened: no such pin factory, no gpiochip, no permission."""


class DeviceMissing(HardwareFault):
    """A device cannot be opened: it is not there, it is busy, or it refuses these settings."""


class DeviceLost(HardwareFault):
    """A device that worked has gone (unplugged, stream ended). Close the port and open it again later."""


class StrikeFault(HardwareFault):
    """The lock relay cannot be switched or its lease cannot be kept."""


@contextmanager
def translated(fault: type[HardwareFault], what: str) -> Iterator[None]:
    """Raise `fault("what: cause")` for whatever a library throws inside; our own faults pass through.

    The GPIO backends share no base class (`lgpio.error` is a bare `Exception`), so this is the one place that
    catches everything; nothing is dropped, the cause stays attached.
    """
    try:
        yield
    except HardwareFault:
        raise
    except Exception as cause:
        raise fault(f"{what}: {cause}") from cause
