"""`zaalsleutel update`: sign a release, where the update key is; install it, as `zaalsleutel-update.service` does; say
what came of the last one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from time import time
from typing import Annotated

import msgspec
import typer

from controller.formats.encoding import canonical, parse_object
from controller.formats.envelope import seal
from controller.formats.errors import Refused, unusable
from controller.formats.jwk import load_private
from controller.formats.update import UPDATE_TYP, parse_update

app = typer.Typer(
    add_completion=False, help="Signed updates of the door unit: sign, install, status.", no_args_is_help=True
)

SPOOL = Path("/var/lib/zaalsleutel-agent/update")
OWN = Path("/var/lib/zaalsleutel-update")
DAYS = 30


@app.command()
def sign(
    package: Annotated[Path, typer.Option(help="The Debian package, as built.")],
    key: Annotated[Path, typer.Option(help="The update key as private JWK.")],
    number: Annotated[int, typer.Option(help="Its place in the sequence; higher than any before.", min=1)],
    out: Annotated[Path, typer.Option(help="Where the signed manifest goes.")],
    days: Annotated[int, typer.Option(help="How long it may be installed.", min=1, max=180)] = DAYS,
) -> None:
    """Sign a package for the door units that trust this key. Exit 1 says why not."""
    try:
        fields = [_field(package, name) for name in ("Package", "Version", "Architecture")]
        now_s = int(time())
        manifest = canonical(
            {
                "package": fields[0],
                "version": fields[1],
                "number": number,
                "debian": fields[1].rpartition("+deb")[2],
                "arch": fields[2],
                "sha256": hashlib.sha256(package.read_bytes()).hexdigest(),
                "size": package.stat().st_size,
                "issued": now_s,
                "expires": now_s + days * 86_400,
            }
        )
        update = parse_update(manifest)
        signer = load_private(parse_object(key.read_bytes(), str(key)), str(key))
        out.write_bytes(seal(canonical(update), UPDATE_TYP, signer))
    except (Refused, OSError) as error:
        print(_in_words(error), file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"{update.version} for Debian {update.debian} {update.arch}, number {number}: {out}")


@app.command()
def install(
    config: Annotated[Path, typer.Option(help="The unit's TOML file.")] = Path("/etc/zaalsleutel/door.toml"),
    spool: Annotated[Path, typer.Option(help="Where the agent drops manifest.json and package.deb.")] = SPOOL,
    own: Annotated[Path, typer.Option(help="Root's own folder.")] = OWN,
) -> None:
    """Install what lies in the spool, if it is signed, newer and for this machine. Exit 1: it was not, or was taken
    back."""
    from controller.config import load
    from controller.updater import RESTARTING, Places, run_command
    from controller.updater import install as install_update

    try:
        unit = load(config)
        result = install_update(Places(spool, own, unit.data), unit.door.id, int(time()), run_command)
    except (Refused, OSError, ValueError) as error:
        print(f"not installed: {_in_words(error)}", file=sys.stderr)
        raise typer.Exit(1) from None
    print(f"{result.version}: {result.outcome}")
    if result.outcome == RESTARTING:
        run_command(["systemctl", "--no-block", "reboot"], None)
    raise typer.Exit(0 if result.outcome in {"installed", RESTARTING} else 1)


@app.command()
def status(
    own: Annotated[Path, typer.Option(help="Root's own folder.")] = OWN,
) -> None:
    """What came of the last update, as JSON; `null` before the first."""
    from controller.updater import last_result

    try:
        result = last_result(own)
    except (Refused, OSError) as error:
        print(_in_words(error), file=sys.stderr)
        raise typer.Exit(1) from None
    print(json.dumps(None if result is None else msgspec.to_builtins(result)))


def _in_words(error: Exception) -> Exception:
    return unusable(error) if isinstance(error, OSError) else error


def _field(package: Path, name: str) -> str:
    done = subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused("bad_package", str(package), done.stderr.strip() or "is no Debian package")
    return done.stdout.strip()
