"""The rules of the folders, held by reading the source: who may import whom, where a library or a clock may appear.

The tables below are the rules. A module that is not named in them gets the strictest reading of its folder, so a new
one starts as core and has to ask, here, to be a shell.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parent.parent
TOP_LEVEL = ("controller", "hal", "sync", "simulator")

# Modules of controller/ that touch the world: hardware, sockets, disk, processes. Everything else there is core.
SHELL = {
    f"controller.{name}"
    for name in (
        "admin_client",
        "beside",
        "cli",
        "clock_teller",
        "commission_cli",
        "config",
        "conversations",
        "door_socket",
        "enrol_session",
        "hardware",
        "lease",
        "performer",
        "runner",
        "service",
        "signals",
        "status_cli",
        "unit",
        "update_cli",
        "updater",
        "upkeep",
        "views",
    )
}

# Room -> what of ours it may import: patterns of module names, or the name of a room.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "controller.formats.*": ("controller.formats.*",),
    "controller.camera.*": (
        "controller.camera.*",
        "controller.formats.*",
        "hal.camera_*",
        "hal.catalog",
        "hal.errors",
        "hal.ports",
    ),
    "controller.checks.*": (
        "controller.admin_client",
        "controller.camera.sight",
        "controller.checks.*",
        "controller.config",
        "controller.formats.*",
        "hal.*",
    ),
    "controller.display.*": ("controller.display.*", "controller.formats.*"),
    # The catalogue: what the screen says to whoever brings a door into service, the terminal says in the same words.
    "controller shell": (
        "controller shell",
        "controller core",
        "controller.formats.*",
        "controller.display.catalogue",
        "hal.*",
    ),
    "controller core": ("controller core", "controller.formats.*"),
    "hal.*": ("hal.*",),
    "sync.topics": (),
    "sync.agent.*": ("sync.agent.*", "sync.topics", "controller.formats.*"),
    "sync.hub.*": ("sync.hub.*", "sync.topics", "controller.formats.*"),
    "simulator.*": ("controller.*", "hal.*", "sync.*", "simulator.*"),
    "zaalsleutel": (),  # it imports rooms by name, when they are asked for
}

# Inside the hub: room -> the only modules that may import it. HTTP, audit and adapters are edges nobody leans on, and
# the database knows of what it stores only the pure parts, besides the list of whoever has tables of their own.
HUB_ROOM_FOR: dict[str, tuple[str, ...]] = {
    "sync.hub.api.*": (
        "sync.hub.adapters.routes",
        "sync.hub.api.*",
        "sync.hub.artefacts.routes",
        "sync.hub.doors.enrol_server",
        "sync.hub.doors.package_routes",
        "sync.hub.server",
    ),
    "sync.hub.adapters.*": ("sync.hub.adapters.*", "sync.hub.cli", "sync.hub.server"),
    "sync.hub.audit.*": (
        "sync.hub.api.bodies_records",  # clients ask for evidence and facts by HTTP as staff do by command
        "sync.hub.api.routes_records",
        "sync.hub.audit.*",
        "sync.hub.chores",
        "sync.hub.server",
        "sync.hub.store.tables",
    ),
}
HUB_STORE = "sync.hub.store.*"
HUB_STORE_ASKS_ALL = {"sync.hub.store.cli", "sync.hub.store.tables"}
HUB_STORE_MAY_IMPORT = ("sync.hub.booking.windows", "sync.hub.issuing.issuer", "sync.hub.store.*")

# Modules where everything comes in as an argument: no clock, no randomness, no I/O.
PURE = (
    "controller.formats.*",
    "controller.clock",
    "controller.codelist",
    "controller.decide",
    "controller.door",
    "sync.agent.link",
    "sync.hub.booking.windows",
    "sync.hub.records.collector",
    "sync.hub.issuing.issuer",
)
NOT_PURE = {"time", "random", "socket", "selectors", "select", "threading", "subprocess", "sqlite3", "asyncio"}
CLOCK_CALLS = {"now", "today", "utcnow", "monotonic", "monotonic_ns", "time_ns", "clock_gettime", "clock_gettime_ns"}

# What core may take from outside the standard library.
CORE_LIBRARIES = {"msgspec", "cryptography", "joserfc"}

# Library -> the only modules that may import it.
EDGE: dict[str, tuple[str, ...]] = {
    "joserfc": ("controller.formats.jwe", "controller.formats.ecdh_es", "sync.hub.keys.root_keys"),
    "paho": ("sync.agent.*", "sync.hub.*", "simulator.*"),
    "gpiozero": ("hal.*", "simulator.*"),
    "lgpio": ("hal.*",),
    "osdp": ("hal.keypad_osdp",),
    "picamera2": ("hal.camera_picamera2",),
    "serial": ("hal.serial_line", "hal.keypad_osdp"),
    "cv2": ("hal.camera_*", "controller.camera.*", "simulator.*"),
    "zxingcpp": ("controller.camera.*",),
    "numpy": ("hal.camera_*", "hal.ports", "controller.camera.*", "simulator.*"),
    "fastapi": ("sync.hub.*",),
    "pydantic": ("sync.hub.*",),
    "sqlalchemy": ("sync.hub.*", "simulator.fleet_town"),  # a town of thousands is written straight into the tables
    "alembic": ("sync.hub.*",),
    "asyncio": ("sync.hub.*", "simulator.*"),
    "typer": ("*.cli", "*_cli", "*.cli_*", "simulator.*"),
    "rich": ("*.cli", "*_cli", "*.cli_*", "simulator.*"),
}

# What the controller's own process must never load, directly or through something else: it has to stay lean.
HEAVY = ("alembic", "asyncio", "cv2", "fastapi", "numpy", "paho", "pydantic", "rich", "sqlalchemy", "sync", "typer")


class Import(NamedTuple):
    """One import as written: the module it names, fully, and the line it is on."""

    name: str
    line: int


class Module(NamedTuple):
    """A source file of ours and what it imports."""

    name: str
    path: Path
    tree: ast.Module
    imports: tuple[Import, ...]


def imports_in(tree: ast.Module, path: Path) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write it out"
            # `from package import module` names a module, `from module import Name` does not.
            inside = [f"{source}.{alias.name}" for alias in node.names]
            yield from {Import(name if is_module(name) else source, node.lineno) for name in inside}


@cache
def is_module(name: str) -> bool:
    path = REPOSITORY.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def modules() -> tuple[Module, ...]:
    paths = [REPOSITORY / "zaalsleutel.py"]
    paths += sorted(path for top in TOP_LEVEL for path in (REPOSITORY / top).rglob("*.py"))
    trees = [(path, ast.parse(path.read_text("utf-8"))) for path in paths]
    return tuple(Module(module_name(path), path, tree, tuple(imports_in(tree, path))) for path, tree in trees)


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def matches(name: str, pattern: str) -> bool:
    """Whether a pattern means this module; `room.*` means the package itself as well."""
    return fnmatchcase(name, pattern) or name == pattern.removesuffix(".*")


@cache
def room_of(name: str) -> str:
    if name in SHELL:
        return "controller shell"
    room = next((room for room in MAY_IMPORT if matches(name, room)), None)
    return room or ("controller core" if matches(name, "controller.*") else "unknown")


def fits(name: str, allowed: tuple[str, ...]) -> bool:
    return room_of(name) in allowed or any(matches(name, pattern) for pattern in allowed)


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in {*TOP_LEVEL, "zaalsleutel", "tests"}


def where(module: Module, line: int) -> str:
    return f"{module.path.relative_to(REPOSITORY)}:{line}"


def test_every_room_imports_only_what_it_may():
    broken = [
        f"{where(module, line)}: {room_of(module.name)} may not import {name}"
        for module in modules()
        for name, line in module.imports
        if is_ours(name) and not fits(name, MAY_IMPORT.get(room_of(module.name), ()))
    ]
    assert not broken, "\n".join(broken)


def test_the_rooms_of_the_hub_lean_one_way():
    broken = [
        f"{where(module, line)}: {module.name} may not import {name}"
        for module in modules()
        if matches(module.name, "sync.hub.*")
        for name, line in module.imports
        for room, allowed in HUB_ROOM_FOR.items()
        if matches(name, room) and not fits(module.name, allowed)
    ]
    broken += [
        f"{where(module, line)}: the store may not import {name}"
        for module in modules()
        if matches(module.name, HUB_STORE) and module.name not in HUB_STORE_ASKS_ALL
        for name, line in module.imports
        if matches(name, "sync.hub.*") and not fits(name, HUB_STORE_MAY_IMPORT)
    ]
    assert not broken, "\n".join(broken)


def test_nobody_imports_the_simulator_the_command_or_the_tests():
    broken = [
        f"{where(module, line)}: imports {name}"
        for module in modules()
        for name, line in module.imports
        if name.partition(".")[0] in {"simulator", "zaalsleutel", "tests"} and not module.name.startswith("simulator")
    ]
    assert not broken, "\n".join(broken)


def test_third_party_libraries_stay_at_the_edge():
    broken = [
        f"{where(module, line)}: {library} belongs in {', '.join(EDGE[library])}"
        for module in modules()
        for name, line in module.imports
        if (library := name.partition(".")[0]) in EDGE and not fits(module.name, EDGE[library])
    ]
    assert not broken, "\n".join(broken)


def test_mqtt_is_in_one_module_per_side():
    speakers = {m.name for m in modules() if any(name.startswith("paho") for name, _ in m.imports)}
    for side in ("sync.agent.", "sync.hub."):
        assert len([name for name in speakers if name.startswith(side)]) <= 1, sorted(speakers)


def test_core_needs_two_libraries_at_most():
    broken = [
        f"{where(module, line)}: core may not import {name}"
        for module in modules()
        if room_of(module.name) == "controller core" or fits(module.name, PURE)
        for name, line in module.imports
        if not is_ours(name) and name.partition(".")[0] not in sys.stdlib_module_names | CORE_LIBRARIES
    ]
    assert not broken, "\n".join(broken)


def test_pure_modules_read_no_clock_and_touch_nothing():
    broken = []
    for module in modules():
        if not fits(module.name, PURE):
            continue
        broken += [
            f"{where(module, line)}: a pure module may not import {name}"
            for name, line in module.imports
            if name.partition(".")[0] in NOT_PURE
        ]
        broken += [
            f"{where(module, node.lineno)}: time is an argument here, not {ast.unparse(node)}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CLOCK_CALLS
            and ast.unparse(node.func.value) in {"datetime", "datetime.datetime", "date", "datetime.date", "time"}
        ]
    assert not broken, "\n".join(broken)


def test_only_shells_of_the_controller_read_a_clock():
    broken = [
        f"{where(module, line)}: imports time; take the instant as an argument"
        for module in modules()
        if room_of(module.name) == "controller core"
        for name, line in module.imports
        if name == "time"
    ]
    assert not broken, "\n".join(broken)


def test_package_files_are_empty():
    full = [m.path for m in modules() if m.path.name == "__init__.py" and m.path.stat().st_size]
    assert not full, f"a package's __init__ stays empty, so that importing a room loads that room only: {full}"


def test_every_folder_with_python_explains_itself():
    folders = {m.path.parent for m in modules() if m.path.stat().st_size} | {REPOSITORY / "tests"}
    silent = sorted(str(folder.relative_to(REPOSITORY)) for folder in folders if not (folder / "README.md").is_file())
    assert not silent, f"folders without a README.md: {silent}"


def test_module_names_say_what_is_in_them():
    vague = re.compile(r"(^|_)(utils?|helpers?|managers?|common|misc)(_|$)")
    assert not [m.name for m in modules() if vague.search(m.name.rpartition(".")[2])]


def test_the_controller_process_stays_lean():
    start = "zaalsleutel.main(['door', 'run', '--config', 'missing.toml'])"  # as its service does
    program = f"import sys, zaalsleutel; {start}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# Home directories, package registries and mirrors: true on one machine and stale on all others.
LOCAL = re.compile(
    r"/(home|Users)/[a-z]|/(root|wor[k]|far[m])/|/tmp/bash[_]|[.]librar[y]\b"
    r"|pypi[.]org|pythonhosted[.]|registry[.]npmjs|deb[.]debian[.]org|index-ur[l]\b"
)


def test_tracked_files_name_no_machine_and_no_registry():
    listing = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=REPOSITORY, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    broken = []
    for name in listing.stdout.decode().split("\0"):
        path = REPOSITORY / name
        if not path.is_file():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # an image
        broken += [f"{name}:{number}: {line}" for number, line in enumerate(text.splitlines(), 1) if LOCAL.search(line)]
    assert not broken, "\n".join(broken)
