"""What can be on a card after a power cut, given what was done to it before.

    for image in images(operations, random.Random(seed), count): …      # name -> content

The rules, harsher than any file system is known to be: what was synced is there. Of what was written since, each piece
is there, or is not, or is there up to some byte, in any order; bytes never written read as zeros. Names change in
order, and any number of the changes since the folder was last synced may be undone. Files do not wait for each other.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.durability.recorder import Create, Operation, Remove, Rename, Sync, SyncNames, Truncate, Write

Image = dict[str, bytes]


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write | Truncate] = field(default_factory=list)


class Card:
    """A card on which operations are done one by one."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._names: dict[str, int] = {}
        self._pending_names: list[Create | Rename | Remove] = []

    def do(self, operation: Operation) -> None:
        """The next operation."""
        match operation:
            case Create(_, file):
                self._files[file] = _File()
                self._pending_names.append(operation)
            case Rename() | Remove():
                self._pending_names.append(operation)
            case Write(file) | Truncate(file):
                self._files[file].pending.append(operation)
            case Sync(file):
                synced = self._files[file]
                for change in synced.pending:
                    _apply(synced.durable, change)
                synced.pending.clear()
            case SyncNames():
                _rename(self._names, self._pending_names)
                self._pending_names.clear()

    def cut(self, chance: random.Random | None, *, everything: bool = False) -> Image:
        """The power goes now: one of the images that may be left; without `chance` the one in which nothing that was
        not synced arrived, or `everything` did."""
        names = dict(self._names)
        kept = len(self._pending_names) if everything else chance.randint(0, len(self._pending_names)) if chance else 0
        _rename(names, self._pending_names[:kept])
        return {name: self._content(self._files[file], chance, everything) for name, file in names.items()}

    def _content(self, file: _File, chance: random.Random | None, everything: bool) -> bytes:
        content = bytearray(file.durable)
        if everything:
            arrived = list(file.pending)
        elif chance is None:
            arrived = []
        else:
            share = chance.random()
            arrived = [_torn(change, chance) for change in file.pending if chance.random() < share]
            if chance.random() < 0.5:
                chance.shuffle(arrived)
        for change in arrived:
            _apply(content, change)
        return bytes(content)


def images(operations: Sequence[Operation], chance: random.Random, count: int) -> Iterator[tuple[int, Image]]:
    """About `count` images, spread over all moments: (how many operations were done, the image)."""
    each = max(3, -(-count // (len(operations) + 1)))
    card = Card()
    for done, operation in enumerate([None, *operations]):
        if operation is not None:
            card.do(operation)
        yield done, card.cut(None)
        yield done, card.cut(None, everything=True)
        for _ in range(each - 2):
            yield done, card.cut(chance)


def _torn(change: Write | Truncate, chance: random.Random) -> Write | Truncate:
    if isinstance(change, Truncate) or chance.random() < 0.7:
        return change
    return Write(change.file, change.offset, change.data[: chance.randrange(len(change.data) + 1)])


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    end = change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.data


def _rename(names: dict[str, int], changes: Sequence[Create | Rename | Remove]) -> None:
    for change in changes:
        match change:
            case Create(name, file):
                names[name] = file
            case Rename(old, new):
                names[new] = names.pop(old)
            case Remove(name):
                names.pop(name, None)
