"""To whom a door's messages are encrypted."""

import pytest

from controller.formats.errors import Refused
from controller.formats.jwe import make_key
from sync.hub.doors.readers import DoorReaders


def test_the_newest_key_of_a_door_counts_whoever_registered_it(sessions, service):
    first, second = make_key().encrypt_key, make_key("P-256").encrypt_key
    readers, of_another_process = DoorReaders(sessions), DoorReaders(sessions)
    with pytest.raises(Refused, match="not_enrolled"):
        readers.of("a-1")
    for key in (first, second):
        of_another_process.register("a-1", key)
        assert readers.of("a-1") == key
    assert readers.every() == ["a-1"]
