"""Draws the wiring picture of each hardware profile: `python docs/wiring.py` renews `docs/wiring/*.svg`.

It stands here and not in a room of the program because it is part of making the documentation, and nothing at a door
needs it. It reads a profile with the controller's own reader, so a picture cannot show what a door would refuse; a test
draws all pictures again and fails when one is stale.

A picture has the Pi's header on the left and one box per device on the right. A wire is drawn for each GPIO line;
supply and ground are marks at the terminal, because any pin of that colour will do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import cycle
from pathlib import Path
from typing import Final

import msgspec

from controller.config import NAMED, PORTS, Config, Part, load
from hal.catalog import pins_of

DOCS: Final = Path(__file__).parent
PROFILES: Final = DOCS.parent / "firmware-config" / "profiles"

# BCM line -> pin of the 40-pin header, the same on every Raspberry Pi since 2014.
HEADER: Final = dict(
    zip(
        (2, 3, 4, 14, 15, 17, 18, 27, 22, 23, 24, 10, 9, 25, 11, 8, 7, 0, 1, 5, 6, 12, 13, 19, 16, 26, 20, 21),
        (3, 5, 7, 8, 10, 11, 12, 13, 15, 16, 18, 19, 21, 22, 23, 24, 26, 27, 28, 29, 31, 32, 33, 35, 36, 37, 38, 40),
        strict=True,
    )
)
POWER: Final = {**dict.fromkeys((6, 9, 14, 20, 25, 30, 34, 39), "GND"), 1: "3V3", 17: "3V3", 2: "5V", 4: "5V"}
COLOURS: Final = {"GND": "#222222", "3V3": "#c0392b", "5V": "#8e1b0e", "USB": "#5d6d7e", "CSI": "#5d6d7e"}
WIRES: Final = ("#1f77b4", "#2ca02c", "#9467bd", "#d2691e", "#0097a7", "#b8860b", "#c2185b", "#3f51b5", "#607d3b")

# section -> what it is called, in Dutch and in English
TITLES: Final = {
    "lock": ("Slotrelais", "lock relay"),
    "contact": ("Deurcontact", "door contact"),
    "exit_button": ("Uitgangsknop", "exit button"),
    "tamper": ("Sabotagecontact", "tamper switch"),
    "housing_button": ("Knop in de kast", "button inside the housing"),
    "fire": ("Brandcontact", "fire contact"),
    "legacy": ("Bestaande lezer", "existing reader"),
    "light": ("Lampje", "light"),
    "sound": ("Zoemer", "buzzer"),
    "camera": ("Camera", "camera"),
    "camera_inside": ("Camera binnen", "camera inside"),
    "clock": ("Klok (RTC)", "clock chip"),
    "keypads": ("Klavier", "keypad"),
    "scanners": ("QR-scanner", "QR scanner"),
}

SIDES: Final = {"outside": "buiten", "inside": "binnen"}


@dataclass(frozen=True)
class Terminal:
    """One screw or plug of a device: its name there, and where it goes: a BCM line, or a supply, or a socket."""

    name: str
    line: int | None = None
    supply: str = ""


@dataclass(frozen=True)
class Device:
    """One box. `remarks`: what the wire alone does not say, Dutch and English alternating."""

    title: str
    english: str
    terminals: tuple[Terminal, ...]
    remarks: tuple[str, ...] = field(default=())


def devices(config: Config, board: str) -> Iterator[Device]:
    """Every device of a profile. Raises Refused."""
    for section in PORTS:
        part = config.part(section)
        if part is not None:
            yield from _device(section, part, board)
    for group in NAMED:
        for part in (config.keypads() if group == "keypads" else config.scanners()).values():
            yield from _device(group, part, board)


def _device(section: str, part: Part, board: str) -> Iterator[Device]:
    title, english = TITLES[section]
    driver = str(getattr(part.driver, "__name__", "")).rpartition(".")[2]
    if section in NAMED:
        name = part.section.partition(".")[2]
        title, english = f"{title} {SIDES.get(name, name)}", f"{english} {name}"
    terminals, remarks = _terminals(driver, part.settings, board)
    if terminals:
        yield Device(title, english, terminals, remarks)


def _terminals(driver: str, settings: msgspec.Struct, board: str) -> tuple[tuple[Terminal, ...], tuple[str, ...]]:
    """How a driver's device is connected. A driver that is not named here gets its lines and a ground."""
    lines = tuple(Terminal(name, line) for name, line in pins_of(settings).items())
    ground, three, five = Terminal("GND", supply="GND"), Terminal("VCC", supply="3V3"), Terminal("VCC", supply="5V")
    match driver:
        case "lock_gpio":
            remarks = "10 kΩ tussen IN en GND, bij het relais", "10 kΩ between IN and GND, at the relay"
            if getattr(settings, "active_low", False):
                remarks = "Relais trekt aan op LAAG: 10 kΩ tussen IN en VCC", "active low: 10 kΩ between IN and VCC"
            return (Terminal("IN", lines[0].line), five, ground), remarks
        case "input_gpio":
            rest = "gesloten in rust", "closed at rest"
            if getattr(settings, "active", "low") == "low":
                rest = "open in rust", "open at rest"
            return (Terminal("1", lines[0].line), Terminal("2", supply="GND")), rest
        case "light_gpio" | "light_two_colour":
            common = three if getattr(settings, "active_low", False) else ground
            words = {"pin": "LED", "green": "groen / green", "red": "rood / red"}
            named = tuple(Terminal(words[lead.name], lead.line) for lead in lines)
            return (*named, common), ("330 Ω in elke LED-draad", "330 Ω in each LED wire")
        case "sound_gpio":
            other = three if getattr(settings, "active_low", False) else ground
            return (Terminal("+", lines[0].line), other), ("zoemer tot 10 mA", "buzzer, 10 mA at most")
        case "keypad_matrix":
            return tuple(_matrix(settings)), ()
        case "keypad_wiegand":
            named = tuple(Terminal(lead.name.upper(), lead.line) for lead in lines)
            shifted = "5 V → 3,3 V niveauomzetter in D0 en D1", "level shifter in D0 and D1"
            return (*named, Terminal("GND", supply="GND")), shifted
        case "clock_linux":
            if not getattr(settings, "rtc", "") or "5" in board.split():
                return (), ()
            leads = Terminal("SDA", 2), Terminal("SCL", 3)
            return (*leads, three, ground), ("DS3231 met knoopcel", "DS3231 with a coin cell")
        case "camera_picamera2":
            number = f" {getattr(settings, 'number', 0)}" if "5" in board.split() else ""
            return (Terminal("lint / ribbon", supply="CSI"),), (
                f"cameraconnector{number} van de Pi",
                f"the Pi's camera connector{number}",
            )
        case "camera_opencv" | "keypad_usb":
            return (Terminal("USB", supply="USB"),), ("altijd dezelfde poort", "always the same port")
        case "keypad_serial" | "keypad_osdp" | "qr_serial":
            return _serial(driver, str(getattr(settings, "device", "")))
        case _:
            return (*lines, ground), ()


def _matrix(settings: msgspec.Struct) -> Iterator[Terminal]:
    """A foil keypad's tail has no names, so a lead is called by the keys it serves."""
    layout: tuple[str, ...] = getattr(settings, "layout", ())
    keys = {"rows": layout, "columns": ["".join(column) for column in zip(*layout, strict=True)]}
    for name, line in pins_of(settings).items():
        kind, place = name.rstrip("]").split("[")
        yield Terminal(f"{'rij' if kind == 'rows' else 'kolom'}  {' '.join(keys[kind][int(place)])}", line)


def _serial(driver: str, device: str) -> tuple[tuple[Terminal, ...], tuple[str, ...]]:
    if device in {"/dev/serial0", "/dev/ttyAMA0"}:
        leads = Terminal("RX", 14), Terminal("TX", 15), Terminal("GND", supply="GND")
        if driver == "keypad_osdp":
            return leads, (
                "RS-485-print (3,3 V); A en B naar het klavier",
                "RS-485 board (3.3 V); A and B to the keypad",
            )
        return leads, ("3,3 V-niveau", "3.3 V level")
    adapter = (
        ("RS-485-adapter; A en B naar het klavier", "RS-485 adapter; A and B to the keypad")
        if driver == "keypad_osdp"
        else ("via USB", "on USB")
    )
    return (Terminal("USB", supply="USB"),), adapter


# Drawing. Units are pixels of the SVG.

PITCH, TOP, HEADER_X, BOX_WIDTH, ROW = 26, 140, 120, 340, 24
LANE: Final = 9
STRIKE_HEIGHT: Final = 122


def draw(title: str, subtitle: str, parts: list[Device]) -> str:
    """The picture as SVG text."""
    # Devices in the order of their pins: then wires nest instead of crossing.
    parts = sorted(parts, key=lambda part: (not _rows(part), sum(_rows(part)) / max(1, len(_rows(part)))))
    wires = sum(terminal.line is not None for part in parts for terminal in part.terminals)
    box_x = HEADER_X + 90 + LANE * (wires + 3) + 60
    body, ends, y = [], [], 104.0
    colours = cycle(WIRES)
    for part in parts:
        drawn, found, height = _box(part, box_x, y, colours)
        body.append(drawn)
        ends += found
        y += height + 16
    height = max(y + 30, TOP + 20 * PITCH + 70)
    width = box_x + BOX_WIDTH + 30
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="13">\n'
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>\n'
    )
    words = [
        _text(30, 32, title, size=20, bold=True),
        _text(30, 52, subtitle),
        _text(30, 70, "Sluit aan zonder spanning. Pin 1 is de hoek aan de kant van de geheugenkaart.", grey=True),
        _text(30, 86, "Connect without power. Pin 1 is the corner at the memory card's end.", grey=True),
    ]
    return head + "\n".join([*words, *_wires(ends, box_x), _header(dict(ends_by_pin(ends))), *body]) + "\n</svg>\n"


def _rows(part: Device) -> list[float]:
    return [_pin_y(HEADER[terminal.line]) for terminal in part.terminals if terminal.line is not None]


def _pin_y(pin: int) -> float:
    """Where a pin's wire leaves: even pins straight, odd ones below their neighbour."""
    return TOP + (pin - 1) // 2 * PITCH + (0 if pin % 2 == 0 else PITCH / 2)


@dataclass(frozen=True)
class End:
    """A wire: from a pin to where its terminal is, in a colour."""

    pin: int
    line: int
    y: float
    colour: str


def ends_by_pin(ends: list[End]) -> Iterator[tuple[int, End]]:
    """Wires by header pin."""
    return ((end.pin, end) for end in ends)


def _box(part: Device, x: float, y: float, colours: Iterator[str]) -> tuple[str, list[End], float]:
    height = 30 + ROW * len(part.terminals) + (17 * len(part.remarks) + 4 if part.remarks else 0)
    inset = ""
    if part.english == TITLES["lock"][1]:
        inset, height = _strike(x, y + height), height + STRIKE_HEIGHT
    found = []
    lines = [
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{height}" rx="6" fill="#f7f7f4" stroke="#888888"/>',
        _text(x + 14, y + 20, part.title, bold=True),
        _text(x + BOX_WIDTH - 10, y + 20, part.english, grey=True, end=True),
    ]
    for place, terminal in enumerate(part.terminals):
        at = y + 38 + ROW * place
        if terminal.line is None:
            colour = COLOURS[terminal.supply]
            lines.append(f'<path d="M{x - 14} {at}H{x}" stroke="{colour}" stroke-width="3"/>')
            lines.append(_badge(x - 50, at, terminal.supply, colour))
            goes = {"GND": "massa / ground", "3V3": "3,3 V", "5V": "5 V"}.get(terminal.supply, "")
        else:
            colour = next(colours)
            found.append(End(HEADER[terminal.line], terminal.line, at, colour))
            goes = f"pin {HEADER[terminal.line]} · GPIO {terminal.line}"
        lines.append(f'<circle cx="{x}" cy="{at}" r="5" fill="{colour}"/>')
        lines.append(_text(x + 14, at + 4.5, terminal.name))
        lines.append(_text(x + 170, at + 4.5, goes, grey=terminal.line is None))
    for place, remark in enumerate(part.remarks):
        lines.append(_text(x + 14, y + 42 + ROW * len(part.terminals) + 17 * place, remark, grey=place % 2 == 1))
    return "\n".join([*lines, inset] if inset else lines), found, height


def _strike(x: float, y: float) -> str:
    """The lock's own circuit, on the contact side of the relay: supply, contact, strike with a diode across it."""
    top, bottom = y + 22, y + 82
    ink = 'fill="none" stroke="#333333" stroke-width="2"'
    return "\n".join(
        [
            f'<path d="M{x + 14} {y - 2}H{x + BOX_WIDTH - 14}" stroke="#cccccc"/>',
            # Down the plus wire, through the open contact, through the strike, and back.
            f'<path d="M{x + 62} {top}H{x + 112}L{x + 146} {top - 12}M{x + 150} {top}H{x + 232}V{bottom}H{x + 62}" '
            f"{ink}/>",
            f'<circle cx="{x + 112}" cy="{top}" r="3.5" fill="#333333"/><circle cx="{x + 150}" cy="{top}" r="3.5" '
            'fill="#333333"/>',
            _text(x + 106, top + 18, "COM", size=11, middle=True),
            _text(x + 154, top + 18, "NO", size=11, middle=True),
            f'<rect x="{x + 216}" y="{top + 14}" width="32" height="32" fill="#dfe7ee" stroke="#333333" '
            'stroke-width="2"/>',
            _text(x + 206, top + 76, "sluitplaat (arbeidsstroom)", size=11, middle=True),
            _text(x + 206, top + 89, "fail-secure strike", size=11, middle=True, grey=True),
            # The diode, its bar on the plus side.
            f'<path d="M{x + 232} {top + 5}H{x + 272}V{top + 22}M{x + 272} {top + 36}V{top + 55}H{x + 232}" {ink}/>',
            f'<path d="M{x + 272} {top + 22}l9 14h-18zM{x + 262} {top + 22}h20" fill="#333333" stroke="#333333" '
            'stroke-width="2"/>',
            _text(x + 286, top + 33, "1N4007", size=11),
            _text(x + 56, top + 4.5, "+", bold=True, end=True),
            _text(x + 56, bottom + 4.5, "−", bold=True, end=True),
            _text(x + 14, (top + bottom) / 2 + 4, "12 / 24 V", size=11),
        ]
    )


def _wires(ends: list[End], box_x: float) -> Iterator[str]:
    """Right angles, one lane each. Of the wires that go down, an upper one turns farther right; of those that go up, a
    lower one: so two of a kind never cross."""
    down = sorted((end for end in ends if end.y >= _pin_y(end.pin)), key=lambda end: -_pin_y(end.pin))
    up = sorted((end for end in ends if end.y < _pin_y(end.pin)), key=lambda end: _pin_y(end.pin))
    for lane, end in enumerate([*up, *down]):
        x = HEADER_X + 90 + LANE * (lane + 1)
        start = _pin_y(end.pin)
        pin_x = HEADER_X + (36 if end.pin % 2 == 0 else 10)
        first = f"M{pin_x} {start}" if end.pin % 2 == 0 else f"M{pin_x} {start - PITCH / 2}V{start}"
        path = f"{first}H{x}V{end.y}H{box_x}"
        yield f'<path d="{path}" fill="none" stroke="#ffffff" stroke-width="5"/>'
        yield f'<path d="{path}" fill="none" stroke="{end.colour}" stroke-width="2.5"/>'


def _header(wired: dict[int, End]) -> str:
    bottom = 20 * PITCH
    lines = [
        f'<rect x="{HEADER_X - 8}" y="{TOP - 16}" width="62" height="{bottom + 6}" rx="4" fill="none" stroke="#333333" '
        'stroke-width="2"/>',
        _text(HEADER_X + 23, TOP + bottom + 12, "Raspberry Pi", bold=True, middle=True),
    ]
    for pin in range(1, 41):
        x, y = HEADER_X + (10 if pin % 2 else 36), TOP + (pin - 1) // 2 * PITCH
        power = POWER.get(pin)
        colour = wired[pin].colour if pin in wired else COLOURS[power] if power else "#ffffff"
        shape = (
            f'<rect x="{x - 8}" y="{y - 8}" width="16" height="16"' if pin == 1 else f'<circle cx="{x}" cy="{y}" r="8"'
        )
        lines.append(f'{shape} fill="{colour}" stroke="#555555"/>')
        ink = "#ffffff" if pin in wired or power else "#777777"
        lines.append(_text(x, y + 3.5, str(pin), size=9, colour=ink, middle=True))
        if pin % 2:
            label = f"GPIO {wired[pin].line}" if pin in wired else power or ""
            lines.append(_text(HEADER_X - 16, y + 4.5, label, end=True, grey=pin not in wired))
        elif power:
            lines.append(_text(HEADER_X + 60, y + 4, power, size=10, grey=True))
        elif pin in wired:
            lines.append(_text(HEADER_X + 60, y - 4, f"GPIO {wired[pin].line}", size=10))
    return "\n".join(lines)


def _badge(x: float, y: float, text: str, colour: str) -> str:
    label = _text(x + 18, y + 4, text, size=11, colour="#ffffff", middle=True)
    return f'<rect x="{x}" y="{y - 9}" width="36" height="18" rx="4" fill="{colour}"/>\n{label}'


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    bold: bool = False,
    grey: bool = False,
    end: bool = False,
    middle: bool = False,
    colour: str = "#111111",
) -> str:
    style = f' font-size="{size}"' if size != 13 else ""
    style += ' font-weight="bold"' if bold else ""
    style += ' text-anchor="end"' if end else ' text-anchor="middle"' if middle else ""
    return f'<text x="{x:g}" y="{y:g}"{style} fill="{"#666666" if grey else colour}">{escape(words)}</text>'


def picture(profile: Path) -> str:
    """The SVG of a profile's file. Raises Refused."""
    config = load(profile)
    described = config.profile
    name, board, title = (described.name, described.board, described.title) if described else (profile.stem, "", "")
    return draw(f"{name} · {board}", title, list(devices(config, board)))


def main() -> None:
    """Draw every profile's picture."""
    folder = DOCS / "wiring"
    folder.mkdir(exist_ok=True)
    wanted = {folder / f"{profile.stem}.svg": picture(profile) for profile in sorted(PROFILES.glob("*.toml"))}
    for stale in set(folder.glob("*.svg")) - set(wanted):
        stale.unlink()
    for path, text in wanted.items():
        path.write_text(text, "utf-8")
    print(f"{len(wanted)} pictures in {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
