"""Which update a unit takes, and what it does with one: everything but dpkg itself, which the package's tests run."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from controller.data_folder import DataFolder
from controller.formats.encoding import canonical
from controller.formats.envelope import open_envelope, seal
from controller.formats.errors import Refused
from controller.formats.jwk import SigningKey, make_key
from controller.formats.messages import SendState, UpdateIs
from controller.formats.state import MAX_BYTES, STATE_TYP, UpdateState, parse_state
from controller.formats.update import Update
from controller.own_keys import event_key
from controller.update_gate import Machine, accept
from controller.updater import (
    BELOW,
    MANIFEST,
    PACKAGE,
    PENDING,
    RESULT,
    Places,
    Result,
    install,
    last_result,
    run_command,
)
from sync.agent.updates import Outcome
from tests import update_offer
from tests.controller.enrolled_unit import DOOR, EnrolledUnit, Town
from tests.controller.worlds import DAY, NOON

DEB = b"!<arch>\na package\n" * 1000
MACHINE = Machine(DOOR, "12", "amd64", 6)


def manifest(key: SigningKey, **changes: Any) -> bytes:
    return update_offer.manifest(key, DEB, **changes)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.keys["update"] = make_key()
    town.sign_trust()
    return town


def test_one_that_is_signed_newer_and_for_this_machine_is_taken(town):
    assert accept(manifest(town.keys["update"]), town.trust(), MACHINE, NOON).number == 7


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"number": 6}, "update_older"),
        ({"number": 1}, "update_older"),
        ({"debian": "13"}, "wrong_machine"),
        ({"arch": "arm64"}, "wrong_machine"),
        ({"expires": NOON}, "update_expired"),
    ],
)
def test_what_is_refused(town, changes, code):
    with pytest.raises(Refused) as refused:
        accept(manifest(town.keys["update"], **changes), town.trust(), MACHINE, NOON)
    assert refused.value.code == code


@pytest.mark.parametrize("purpose", ["list", "receipt", "command"])
def test_no_other_key_of_the_town_signs_updates(town, purpose):
    with pytest.raises(Refused, match="unknown_key"):
        accept(manifest(town.keys[purpose]), town.trust(), MACHINE, NOON)


def test_nor_a_key_that_is_retired_nor_one_of_another_door_nor_an_old_trust_document(town):
    old = town.keys["update"]
    town.retire("update")
    with pytest.raises(Refused, match="unknown_key"):
        accept(manifest(old), town.trust(), MACHINE, NOON)
    with pytest.raises(Refused, match="unknown_key"):
        accept(manifest(town.keys["update"], expires=NOON + 500 * DAY), town.trust(), MACHINE, NOON + 91 * DAY)
    with pytest.raises(Refused, match="trust_expired"):
        accept(manifest(town.keys["update"], expires=NOON + 500 * DAY), town.trust(expires=NOON), MACHINE, NOON)


def test_what_is_signed_for_another_purpose_is_no_update(town):
    body = canonical(Update(**json.loads(_payload(manifest(town.keys["update"])))))
    with pytest.raises(Refused, match="wrong_type"):
        accept(seal(body, "zs-list-1", town.keys["update"]), town.trust(), MACHINE, NOON)


def _payload(envelope: bytes) -> bytes:
    from controller.formats.encoding import unb64

    return unb64(json.loads(envelope)["payload"], "payload")


class Unit:
    """A spool, root's folder, and a dpkg that says `codes` in turn."""

    def __init__(self, folder: Path, town: Town, codes: Sequence[int] = (0,)) -> None:
        self.places = Places(folder / "spool", folder / "own", folder / "data", folder / "root")
        for name in ("spool", "data", "root/etc", "root/proc/self"):
            (folder / name).mkdir(parents=True)
        (folder / "root/etc/os-release").write_text('ID=debian\nVERSION_ID="12"\n')
        (folder / "root/proc/self/mounts").write_text("/dev/mmcblk0p2 / ext4 rw 0 0\n")
        DataFolder(self.places.data).write_trust(town.documents[-1])
        self.calls: list[Sequence[str]] = []
        self._codes = list(codes)

    def drop(self, manifest: bytes, package: bytes = DEB) -> None:
        (self.places.spool / PACKAGE).write_bytes(package)
        (self.places.spool / MANIFEST).write_bytes(manifest)

    def install(self) -> Result:
        return install(self.places, DOOR, NOON, self._call)

    def read_only(self) -> None:
        (self.places.root / "proc/self/mounts").write_text("overlayroot / overlay rw,lowerdir=/media/root-ro 0 0\n")

    def pending(self) -> bool:
        return (self.places.own / PENDING).exists()

    def _call(self, command: Sequence[str], given: Path | None) -> int:
        assert (given or Path(command[-1])).read_bytes() == DEB
        known = last_result(self.places.own)
        assert known is not None and known.outcome == "installing" and self.pending(), "tried and not on disk"
        self.calls.append(command)
        return self._codes.pop(0)


def result(outcome: str, about: bytes) -> Result:
    return Result(tried=7, version="0.2.0-1+deb12", outcome=outcome, manifest=hashlib.sha256(about).hexdigest())


@pytest.fixture(autouse=True)
def amd64(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_a_good_one_is_handed_to_dpkg_from_a_folder_of_roots_own(town, tmp_path):
    unit = Unit(tmp_path, town)
    unit.drop(manifest(town.keys["update"]))
    offered = manifest(town.keys["update"])
    assert unit.install() == result("installed", offered) == last_result(tmp_path / "own")
    assert not unit.pending()
    assert unit.calls == [["dpkg", "--install", str(tmp_path / "own" / PACKAGE)]]
    assert not (tmp_path / "own" / PACKAGE).exists()


def test_one_that_was_taken_back_is_not_tried_again_and_the_next_one_is(town, tmp_path):
    unit = Unit(tmp_path, town, codes=(1, 0))
    unit.drop(manifest(town.keys["update"]))
    assert unit.install().outcome == "rolled_back"
    assert unit.install().outcome == "rolled_back" and len(unit.calls) == 1, "it is told, and not tried again"
    unit.drop(manifest(town.keys["update"], version="0.2.1-1+deb12"))
    with pytest.raises(Refused, match="update_older"):
        unit.install()
    told = last_result(tmp_path / "own")
    assert told is not None and (told.tried, told.version, told.outcome) == (7, "0.2.0-1+deb12", "update_older")
    unit.drop(manifest(town.keys["update"], number=8))
    assert unit.install().outcome == "installed"


def test_a_package_that_is_not_the_signed_one_is_never_given_to_dpkg(town, tmp_path):
    unit = Unit(tmp_path, town)
    for package in (DEB[:-1], DEB[:-1] + b"x", DEB + b"x", b""):
        unit.drop(manifest(town.keys["update"]), package)
        with pytest.raises(Refused):
            unit.install()
    told = last_result(tmp_path / "own")
    assert unit.calls == [] and told is not None and (told.tried, told.outcome) == (0, "wrong_package")


def test_links_and_pipes_in_the_spool_are_not_followed(town, tmp_path):
    unit = Unit(tmp_path, town)
    unit.drop(manifest(town.keys["update"]))
    (tmp_path / "spool" / PACKAGE).rename(tmp_path / "elsewhere")
    (tmp_path / "spool" / PACKAGE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        unit.install()
    (tmp_path / "spool" / PACKAGE).unlink()
    os.mkfifo(tmp_path / "spool" / PACKAGE)
    with pytest.raises(Refused, match="not_a_file"):
        unit.install()
    assert unit.calls == []


@pytest.mark.parametrize("code", [0, 1])
def test_where_the_root_is_read_only_dpkg_works_on_the_one_below_and_a_restart_has_to_tell(town, tmp_path, code):
    """Also where dpkg failed: it has changed what lies under the root in use."""
    unit = Unit(tmp_path, town, codes=(code,))
    unit.read_only()
    unit.drop(manifest(town.keys["update"]))
    assert unit.install() == result("restarting", manifest(town.keys["update"])) == last_result(tmp_path / "own")
    assert unit.pending()
    assert unit.calls == [["overlayroot-chroot", "sh", "-ec", BELOW]]


def test_a_unit_without_trust_takes_none(town, tmp_path):
    unit = Unit(tmp_path, town)
    unit.drop(manifest(town.keys["update"]))
    (tmp_path / "data" / "trust.json").unlink()
    with pytest.raises(Refused, match="not_enrolled"):
        unit.install()


def test_a_power_cut_in_the_middle_counts_as_tried(town, tmp_path):
    unit = Unit(tmp_path, town)
    unit.drop(manifest(town.keys["update"]))

    def cut(_command: Sequence[str], _given: Path | None) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(unit.places, DOOR, NOON, cut)
    assert unit.pending()
    assert unit.install() == result("installing", manifest(town.keys["update"])) and unit.calls == []


def test_what_came_of_it_is_for_the_agent_to_read(town, tmp_path):
    unit = Unit(tmp_path, town)
    unit.drop(manifest(town.keys["update"]))
    unit.install()
    assert (tmp_path / "own" / RESULT).stat().st_mode & 0o777 == 0o644
    known = msgspec.json.decode((tmp_path / "own" / RESULT).read_bytes(), type=Outcome)
    assert known == Outcome(7, "installed", hashlib.sha256(manifest(town.keys["update"])).hexdigest())


def test_a_command_is_given_its_file(tmp_path):
    (tmp_path / "package").write_bytes(DEB)
    assert run_command(["sh", "-c", f'test "$(cat | wc -c)" = {len(DEB)}'], tmp_path / "package") == 0
    assert run_command(["sh", "-c", 'test "$(cat | wc -c)" = 0'], None) == 0


def test_the_door_tells_the_hub_what_its_agent_says_of_it_at_once(town, tmp_path):
    door = EnrolledUnit(tmp_path / "data", town)

    def reported() -> UpdateState | None:
        states = [message for _, message in door.told if isinstance(message, SendState)]
        key = event_key(door.folder).verify_key
        keys = {key.thumbprint: key}
        return parse_state(open_envelope(states[-1].body.encode(), STATE_TYP, keys, max_bytes=MAX_BYTES).payload).update

    assert reported() is None
    for said in (UpdateState(number=7, stage="refused", reason="unknown_key"), None):
        door.performer.heard("sync", UpdateIs(update=said), lambda _: None)
        door.pass_time(1)
        assert reported() == said
