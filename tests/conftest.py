"""What holds for every test: the order they run in, how hypothesis searches, what none leaves behind."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

# No deadline: a shared machine may stall any single example. The blob in a failure report repeats that very example.
hypothesis.settings.register_profile("zaalsleutel", deadline=None, print_blob=True)
hypothesis.settings.load_profile("zaalsleutel")

NAME_CHARS = 100


@pytest.fixture(autouse=True)
def files_as_before() -> Iterator[None]:
    """A service started within a test closes its files to others; the tests after it are not that service."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much of a campaign to run; the defaults are for every day."""
    group = parser.getgroup("campaigns")
    group.addoption("--edits", type=int, default=500, help="random edits of an exported log")
    group.addoption("--events", type=int, default=5_000, help="events of the long log that is verified")
    group.addoption("--kills", type=int, default=10, help="SIGKILLs of the controller while somebody enters")
    group.addoption("--images", type=int, default=600, help="disk images after a power cut that are looked at")


# First of all plugins: pytest-xdist reads the groups in this hook too, and does not see one that comes later.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories one after the other, on one worker; the other has the unit tests meanwhile.

    A story starts a broker, a hub and a door: two at once on two cores would wait for each other's processes. They come
    first, because the longest piece of work, begun last, would leave the other worker with nothing to do.
    """
    for item in items:
        if _is_story(item):
            item.add_marker(pytest.mark.xdist_group("stories"))
    items.sort(key=_is_story, reverse=True)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Every worker has to find the same names: what random keys signed would have another one in each. Words that
    people chose are shorter."""
    return argname if isinstance(val, bytes | str) and len(val) > NAME_CHARS else None


def _is_story(item: pytest.Item) -> bool:
    return item.get_closest_marker("e2e") is not None
