"""Migrations, backup and restore: from SQLite to SQLite, and over to PostgreSQL and back."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from controller.formats.errors import Refused
from sync.hub.service import Service
from sync.hub.store import migrations
from sync.hub.store.backup import read_backup, write_backup
from sync.hub.store.database import SCHEMA, Base, connect, open_database
from sync.hub.store.migrate import migrate
from tests.sync.hub.conftest import NOW, codes_of, wish


def differences(url: str) -> list[Any]:
    engine = connect(url)
    with engine.begin() as connection:
        found: list[Any] = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request, tmp_path: Path):
    """The address of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    cluster = request.getfixturevalue("cluster")
    url = cluster.new_database(migrated=False)
    yield url
    cluster.drop(url)


def test_the_steps_make_what_the_models_want(empty):
    assert migrate(empty) == (None, SCHEMA)
    assert differences(empty) == []
    assert migrate(empty) == (SCHEMA, SCHEMA)
    open_database(empty)


def test_an_empty_sqlite_file_needs_no_step(tmp_path):
    """SQLite needs no set-up, and ends up with the same tables."""
    url = f"sqlite:///{tmp_path}/hub.db"
    open_database(url).kw["bind"].dispose()
    assert differences(url) == []
    assert migrate(url) == (SCHEMA, SCHEMA)


def test_the_newest_step_is_the_one_the_program_wants():
    script = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert script.get_current_head() == SCHEMA


@pytest.mark.parametrize("version", ["0000", None])
def test_an_old_store_is_refused_with_what_to_do(tmp_path, version):
    url = f"sqlite:///{tmp_path}/hub.db"
    engine = connect(url)
    with engine.begin() as connection:
        if version is None:
            connection.exec_driver_sql("CREATE TABLE grants (id TEXT)")
        else:
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)")
            connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{version}')")
    engine.dispose()
    with pytest.raises(Refused, match="hub migrate") as refused:
        open_database(url)
    assert refused.value.code == "not_migrated"


def test_an_empty_postgresql_is_refused_with_what_to_do(cluster):
    url = cluster.new_database(migrated=False)
    with pytest.raises(Refused, match="hub migrate"):
        open_database(url)


def test_a_backup_restores_into_another_kind_of_database(service, sessions, keyring, empty, tmp_path, database):
    """A restored hub goes on: same codes, same answer to the same call, higher numbers."""
    before, _ = service.put("booking", "R-1", wish(), NOW)
    file = tmp_path / "hub.backup"
    rows = write_backup(database, file)
    assert file.stat().st_mode & 0o077 == 0
    migrate(empty)
    assert read_backup(file, empty) == rows
    restored = open_database(empty)
    again = Service(restored, keyring)
    assert codes_of(again.reveal("booking", "R-1", NOW)) == codes_of(before)
    repeated, created = again.put("booking", "R-1", wish(), NOW + 1)
    assert (repeated.credentials, created) == (before.credentials, False)
    again.put("booking", "R-2", wish(rooms=("B",)), NOW + 2)
    assert again.list_of("a-1") == service.list_of("a-1")
    restored.kw["bind"].dispose()
    back = tmp_path / "back.backup"
    write_backup(empty, back)
    assert back.stat().st_size > 0


def test_a_backup_holds_no_key_and_no_code(service, keyring, database, tmp_path):
    import gzip

    answer, _ = service.put("booking", "R-1", wish(), NOW)
    file = tmp_path / "hub.backup"
    write_backup(database, file)
    content = gzip.decompress(file.read_bytes()).decode()
    for secret in (*codes_of(answer), keyring.store_key.hex(), '"d":'):
        assert secret not in content
    for key in (tmp_path / "keys").iterdir():
        text = key.read_text()
        for secret in [json.loads(text)["d"]] if text.startswith("{") else [text.strip()]:
            assert secret not in content
    assert not re.search(r"PRIVATE KEY", content)


def test_restoring_takes_all_or_nothing(service, database, tmp_path):
    file = tmp_path / "hub.backup"
    write_backup(database, file)
    with pytest.raises(Refused, match="not_empty"):
        read_backup(file, database)
    with pytest.raises(FileExistsError):
        write_backup(database, file)
    damaged = tmp_path / "damaged.backup"
    damaged.write_bytes(file.read_bytes()[:-200])
    target = f"sqlite:///{tmp_path}/target.db"
    with pytest.raises(Refused, match="bad_backup"):
        read_backup(damaged, target)
    read_backup(file, target)
    foreign = tmp_path / "foreign.backup"
    foreign.write_bytes(b"PK\x03\x04")
    with pytest.raises(Refused, match="bad_backup"):
        read_backup(foreign, f"sqlite:///{tmp_path}/other.db")
