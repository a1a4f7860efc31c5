"""A report as CSV, JSON, a page that needs no network, or a PDF.

write(report, "html", ZoneInfo("Europe/Brussels"), "purpose: …")    # bytes
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import UTC, datetime
from html import escape
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from sync.hub.audit.report import Report, Row
from sync.hub.audit.report_timeline import ALARM, ALARMS, BAR, OPEN_END, Scale, lanes, local, svg, tick_label
from sync.hub.instants import instant

Format = Literal["csv", "json", "html", "pdf"]
FORMATS: tuple[Format, ...] = get_args(Format)

COLUMNS = ("time", "door", "number", "what", "reason", "by", "who", "clock", "detail", "incident")
WIDTHS_MM = (34, 24, 14, 22, 26, 12, 38, 18, 64, 22)
# A cell that starts like a formula would be one in a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

STYLE = (
    "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}th,td{padding:.2em .6em;text-align:left;"
    "border-bottom:1px solid #ddd;font-variant-numeric:tabular-nums}caption{text-align:left;padding:.5em 0}"
    "figure{margin:1em 0}td{vertical-align:top;white-space:nowrap}"
    "td:nth-child(7),td:nth-child(9){white-space:normal;overflow-wrap:anywhere;min-width:9em}"
)


def write(report: Report, kind: Format, zone: ZoneInfo, note: str) -> bytes:
    """The report as a file; `note` says why it was made."""
    writers: dict[Format, Callable[[], bytes]] = {
        "csv": lambda: _csv(report),
        "json": lambda: _json(report, note),
        "html": lambda: _html(report, zone, note),
        "pdf": lambda: _pdf(report, zone, note),
    }
    return writers[kind]()


def cells(row: Row, zone: ZoneInfo) -> tuple[str, ...]:
    """A row for people, in the order of COLUMNS."""
    who = row.reservation or row.who or ("erased" if row.named else "")
    time = local(row.at_ms, zone, "%Y-%m-%d %H:%M:%S")
    known = (row.reason or "", row.credential or "", who, row.clock, row.detail, row.incident)
    return (time, row.door, str(row.seq), row.kind, *known)


def _csv(report: Report) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["time", *(field.name for field in fields(Row) if field.name != "at_ms")])
    for row in report.rows:
        values = asdict(row)
        at_ms = values.pop("at_ms")
        writer.writerow([instant(at_ms / 1000), *(_harmless(value) for value in values.values())])
    return text.getvalue().encode("utf-8")


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _json(report: Report, note: str) -> bytes:
    document = {
        "about": asdict(report.question),
        "made_at": instant(report.made_at),
        "note": note,
        "records": [{"time": instant(row.at_ms / 1000), **asdict(row)} for row in report.rows],
        "stays": [asdict(stay) for stay in report.stays],
    }
    return json.dumps(document, indent=1).encode("utf-8")


def _html(report: Report, zone: ZoneInfo, note: str) -> bytes:
    head = "".join(f"<th scope=col>{name}</th>" for name in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells(row, zone)) + "</tr>\n" for row in report.rows
    )
    about = escape(f"{report.question} · {len(report.rows)} records · times of {zone.key}")
    made = escape(f"made {instant(report.made_at)}; {note}")
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Entry log</title>"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{STYLE}</style><h1>Entry log</h1><p>{about}<p>{made}"
        f"<figure>{svg(report, zone)}</figure>"
        f"<table><caption>Records</caption><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></html>\n"
    ).encode()


def _pdf(report: Report, zone: ZoneInfo, note: str) -> bytes:
    from fpdf import FPDF

    page = FPDF(orientation="landscape", format="A4")
    page.core_fonts_encoding = "windows-1252"
    page.set_title("Entry log")
    page.set_lang("en")
    page.set_creation_date(datetime.fromtimestamp(report.made_at, UTC))
    page.set_margin(10)
    page.set_auto_page_break(True, 12)
    page.add_page()
    page.set_font("Helvetica", "B", 14)
    page.cell(text="Entry log", new_x="LMARGIN", new_y="NEXT")
    page.set_font("Helvetica", size=8)
    about = f"{report.question} · {len(report.rows)} records · times of {zone.key}"
    for line in (about, f"made {instant(report.made_at)}; {note}"):
        page.multi_cell(0, 4, _printable(line), new_x="LMARGIN", new_y="NEXT")
    _draw(page, report, zone)
    ruled = {"borders_layout": "HORIZONTAL_LINES", "line_height": 3.6, "text_align": "LEFT"}
    with page.table(col_widths=WIDTHS_MM, **ruled) as table:
        page.set_font("Helvetica", size=6.5)
        for texts in (COLUMNS, *(cells(row, zone) for row in report.rows)):
            written = table.row()
            for cell in texts:
                written.cell(_printable(cell))
    return bytes(page.output())


def _draw(page: object, report: Report, zone: ZoneInfo) -> None:
    """The timeline as vectors, above the table."""
    from fpdf import FPDF

    assert isinstance(page, FPDF)
    if not report.rows:
        return
    top, lane_mm = page.get_y() + 6, 6.0
    scale = Scale(report.span_ms, 45, 285)
    doors = lanes(report)
    page.set_font("Helvetica", size=6)
    for at_ms in scale.ticks():
        page.text(scale.x(at_ms) - 6, top - 1.5, tick_label(at_ms, scale, zone))
    for number, door in enumerate(doors):
        y = top + number * lane_mm
        page.text(10, y + 3.5, _printable(door))
        for stay in (each for each in report.stays if each.door == door):
            end = scale.x(report.span_ms[1] if stay.out_ms is None else stay.out_ms)
            page.set_fill_color(OPEN_END if stay.out_ms is None else BAR)
            page.rect(scale.x(stay.in_ms), y + 1, max(0.6, end - scale.x(stay.in_ms)), lane_mm - 2, style="F")
        page.set_draw_color(ALARM)
        for row in report.rows:
            if row.door == door and row.kind in ALARMS:
                page.line(scale.x(row.at_ms), y + 0.5, scale.x(row.at_ms), y + lane_mm - 0.5)
    page.set_draw_color(0)
    # The table takes over the colour of the last bar, which nobody could read on.
    page.set_fill_color(255)
    page.set_y(top + lane_mm * len(doors) + 4)


def _printable(text: str) -> str:
    return text.encode("windows-1252", "replace").decode("windows-1252")
