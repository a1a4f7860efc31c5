"""What reaches a disk, written down operation by operation: by SQLite through a VFS, by everything else through `os`.

    recorder = Recorder(folder)
    with recorder.watching():                       # os.open, os.write, os.fsync, os.replace, … below the folder
        connection = recorder.connect(folder / "log.db")     # apsw in the clothes of sqlite3
    recorder.operations                             # what a power cut can cut: see images.py

The connection is given to the production code where it expects one of sqlite3. `fail` is asked before every operation
and may raise, as a disk does.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import apsw


@dataclass(frozen=True)
class Create:
    """A new, empty file gets a name. Names and contents are told apart, as a file system does."""

    name: str
    file: int


@dataclass(frozen=True)
class Write:
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncate:
    file: int
    size: int


@dataclass(frozen=True)
class Sync:
    """The file's content is durable now."""

    file: int


@dataclass(frozen=True)
class Rename:
    old: str
    new: str


@dataclass(frozen=True)
class Remove:
    name: str


@dataclass(frozen=True)
class SyncNames:
    """The folder is durable now: every name so far."""


Operation = Create | Write | Truncate | Sync | Rename | Remove | SyncNames


class Recorder:
    """All operations below one folder, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.operations: list[Operation] = []
        self.fail: Callable[[Operation], None] = lambda _operation: None
        self._files = 0
        self._named: dict[str, int] = {}
        self._vfs = _Vfs(f"recording-{id(self)}", self)

    def connect(self, path: Path, synchronous: str = "FULL") -> sqlite3.Connection:
        """A connection whose writes are recorded. With another `synchronous` than FULL, production code that asks for
        FULL gets that one: for the test that the test can fail."""
        real = apsw.Connection(str(path), vfs=self._vfs.name)
        return _Dressed(real, synchronous)  # type: ignore[return-value]

    def note(self, operation: Operation) -> None:
        """The disk is about to do this."""
        self.fail(operation)
        self.operations.append(operation)

    def opened(self, name: str) -> int:
        """The file of this name, created when it is not there."""
        if name not in self._named:
            self._files += 1
            self.note(Create(name, self._files))
            self._named[name] = self._files
        return self._named[name]

    def removed(self, name: str) -> None:
        if name in self._named:
            self.note(Remove(name))
            del self._named[name]

    def renamed(self, old: str, new: str) -> None:
        self.note(Rename(old, new))
        self._named[new] = self._named.pop(old)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record what Python code does to files of the folder."""
        watched = _Watched(self)
        with (
            mock.patch("os.open", watched.open),
            mock.patch("os.write", watched.write),
            mock.patch("os.fsync", watched.fsync),
            mock.patch("os.replace", watched.replace),
            mock.patch("os.unlink", watched.unlink),
            mock.patch("os.close", watched.close),
        ):
            yield


class _Watched:
    """The functions of `os` that change files, for the folder recorded, for all else untouched."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._real = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace", "unlink", "close")}
        self._files: dict[int, tuple[int, int]] = {}
        self._folders: set[int] = set()

    def open(self, path: Any, flags: int, *more: Any, **named: Any) -> int:
        ours = self._name(path)
        if ours is None or not flags & os.O_WRONLY:
            descriptor: int = self._real["open"](path, flags, *more, **named)
            if Path(path) == self._recorder.folder:
                self._folders.add(descriptor)
            return descriptor
        file = self._recorder.opened(ours)
        if flags & os.O_TRUNC:
            self._recorder.note(Truncate(file, 0))
        descriptor = self._real["open"](path, flags, *more, **named)
        self._files[descriptor] = (file, 0)
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        if descriptor in self._files:
            file, offset = self._files[descriptor]
            self._recorder.note(Write(file, offset, bytes(data)))
            self._files[descriptor] = (file, offset + len(data))
        return int(self._real["write"](descriptor, data))

    def fsync(self, descriptor: int) -> None:
        if descriptor in self._files:
            self._recorder.note(Sync(self._files[descriptor][0]))
        elif descriptor in self._folders:
            self._recorder.note(SyncNames())
        self._real["fsync"](descriptor)

    def replace(self, old: Any, new: Any) -> None:
        names = self._name(old), self._name(new)
        if names[0] is not None and names[1] is not None:
            self._recorder.renamed(names[0], names[1])
        self._real["replace"](old, new)

    def unlink(self, path: Any, **named: Any) -> None:
        ours = self._name(path)
        if ours is not None and Path(path).exists():
            self._recorder.removed(ours)
        self._real["unlink"](path, **named)

    def close(self, descriptor: int) -> None:
        self._files.pop(descriptor, None)
        self._folders.discard(descriptor)
        self._real["close"](descriptor)

    def _name(self, path: Any) -> str | None:
        if isinstance(path, int):
            return None
        given = Path(os.fspath(path))
        return given.name if given.parent == self._recorder.folder else None


class _Vfs(apsw.VFS):
    def __init__(self, name: str, recorder: Recorder) -> None:
        self.name = name
        self._recorder = recorder
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        return _File(name, flags, self._recorder)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._recorder.removed(Path(filename).name)
        super().xDelete(filename, syncdir)
        if syncdir:
            self._recorder.note(SyncNames())


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], recorder: Recorder) -> None:
        given = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._recorder = recorder
        self._name = Path(given).name
        self._file = recorder.opened(self._name)
        # SQLite syncs the folder with the first sync of a journal or WAL that it has made.
        self._syncs_names = not self._name.endswith(".db")
        super().__init__("", name, flags)

    def xWrite(self, data: Any, offset: int) -> None:
        self._recorder.note(Write(self._file, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._recorder.note(Truncate(self._file, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._recorder.note(Sync(self._file))
        if self._syncs_names:
            self._recorder.note(SyncNames())
            self._syncs_names = False
        # Nothing is cut here but in the record, so the real sync can be spared.


class _Dressed:
    """An apsw connection that answers like one of sqlite3, as far as the door's log uses it."""

    def __init__(self, real: Any, synchronous: str) -> None:
        self._real = real
        self._synchronous = synchronous

    @property
    def in_transaction(self) -> bool:
        return bool(self._real.in_transaction)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> _Rows:
        if sql == "PRAGMA synchronous=FULL":
            sql = f"PRAGMA synchronous={self._synchronous}"
        with _as_sqlite3():
            rows = self._real.cursor().execute(sql, tuple(parameters)).fetchall()
        return _Rows(rows, self._real.changes())

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        with _as_sqlite3():
            self._real.cursor().executemany(sql, [tuple(each) for each in parameters])

    def executescript(self, sql: str) -> None:
        self.execute(sql)

    def close(self) -> None:
        self._real.close()


class _Rows:
    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = iter(rows)
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        raise sqlite3.OperationalError(str(error)) from error
