"""zaalsleutel.py: it finds the room, imports no other, and refuses in one sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

import zaalsleutel

REPOSITORY = Path(zaalsleutel.__file__).parent


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, check=False)


def test_help_names_every_room(capsys):
    assert zaalsleutel.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, room in zaalsleutel.ROOMS.items():
        assert any(line.split(maxsplit=1) == [name, room.summary] for line in lines)


def test_help_imports_no_room_and_no_third_party_package():
    done = run_python(
        "import sys; before = set(sys.modules)\n"
        "import zaalsleutel; zaalsleutel.main(['--help'])\n"
        "names = {name.partition('.')[0] for name in set(sys.modules) - before} - {'zaalsleutel'}\n"
        "print(*sorted(names - sys.stdlib_module_names), file=sys.stderr)"
    )
    assert done.returncode == 0
    assert done.stderr.split() == []


def test_the_controller_room_loads_neither_hub_nor_simulator():
    done = run_python(
        "import sys, zaalsleutel\n"
        "try: zaalsleutel.main(['door', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(n for n in sys.modules if n.split('.')[0] in ('simulator', 'sync', 'fastapi', 'sqlalchemy')),"
        " file=sys.stderr)"
    )
    assert done.returncode == 0
    assert done.stderr.split() == []


@pytest.mark.parametrize(("room", "verb"), zaalsleutel.SERVICES)
def test_a_service_says_the_same_with_and_without_the_command_line_library(room, verb, tmp_path, capsys):
    config = str(tmp_path / "door.toml")
    Path(config).write_text("[doors]\n")
    status = zaalsleutel.main([room, verb, "--config", config])
    complaint = capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        zaalsleutel.main([room, verb, f"--config={config}"])
    assert (status, complaint) == (left.value.code, capsys.readouterr().err)
    assert status == 1 and "doors" in complaint


def test_version(capsys):
    assert zaalsleutel.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("zaalsleutel 0.")


@pytest.mark.parametrize("arguments", [[], ["dor"], ["--verbose"]])
def test_what_names_no_room_exits_2_and_names_them_all(arguments, capsys):
    assert zaalsleutel.main(arguments) == 2
    complaint = capsys.readouterr().err
    assert all(name in complaint for name in zaalsleutel.ROOMS)


@pytest.mark.parametrize("name", zaalsleutel.ROOMS)
def test_every_room_answers_help(name):
    done = run_python(f"import zaalsleutel; zaalsleutel.main([{name!r}, '--help'])")
    assert done.returncode == 0, done.stderr
    assert f"zaalsleutel {name}" in done.stdout


@pytest.fixture
def spare_room(tmp_path, monkeypatch):
    """Makes a room called `spare` out of source text."""

    def make(source: str) -> None:
        (tmp_path / "spare_room.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "spare_room", raising=False)
        monkeypatch.setitem(zaalsleutel.ROOMS, "spare", zaalsleutel.Room("spare_room:app", "hub", "made by a test"))

    yield make
    sys.modules.pop("spare_room", None)


def test_a_room_gets_its_arguments_and_its_name(spare_room, capsys):
    spare_room("def app(args, prog_name): print(prog_name, args)")
    assert zaalsleutel.main(["spare", "make", "--help"]) == 0
    assert capsys.readouterr().out == "zaalsleutel spare ['make', '--help']\n"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import not_installed.part", id="at import"),
        pytest.param("def app(args, prog_name): import not_installed.part", id="inside the room"),
    ],
)
def test_a_missing_package_names_the_extra(source, spare_room, capsys):
    spare_room(source)
    assert zaalsleutel.main(["spare"]) == 2
    assert capsys.readouterr().err == (
        "zaalsleutel: `spare` needs the package not_installed: pip install 'zaalsleutel[hub]'\n"
    )


def test_what_standard_output_cannot_show_is_escaped():
    program = "import zaalsleutel; zaalsleutel.main(['--version']); print(chr(0x2013), chr(0xdcff))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
        env={"PYTHONIOENCODING": "ascii"},
    )
    assert done.stdout.endswith(b"\\u2013 \\udcff\n")


def test_a_full_disk_is_one_sentence(spare_room, capsys):
    spare_room("def app(args, prog_name): raise OSError(28, 'No space left on device', '/x')")
    assert zaalsleutel.main(["spare"]) == 1
    assert capsys.readouterr().err == "zaalsleutel: /x: no space left\n"


def test_a_missing_module_of_ours_is_not_blamed_on_an_extra(spare_room):
    spare_room("import sync.not_there")
    with pytest.raises(ModuleNotFoundError, match=r"sync\.not_there"):
        zaalsleutel.main(["spare"])
