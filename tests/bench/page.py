"""`./run page`: the figures and plots of `docs/performance.md`, from the reports kept in `docs/performance/`.

`bench.json` is what `./run bench --json` wrote, `soak.json` what `./run soak --json` wrote, and each `fleet-N.json`
what `zaalsleutel sim fleet --json` printed. Between the marks `<!-- name -->` and `<!-- /name -->` the page is written
anew; its words are written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.bench.plot import Bar, Line, bars, lines

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = DOCS / "performance.md"
REPORTS: Final = DOCS / "performance"
MEGA: Final = 1e6

Json = Any


def write(page: Path = PAGE, reports: Path = REPORTS) -> list[Path]:
    """Renew the page and its plots; the files written. A report that is not there leaves its part as it is."""
    text = page.read_text("utf-8")
    written: list[Path] = []
    parts: tuple[tuple[str, str, Callable[[Json], tuple[str, dict[str, str]]]], ...] = (
        ("bench", "bench.json", _bench),
        ("soak", "soak.json", _soak),
    )
    for name, report, tell in parts:
        if (reports / report).exists():
            told, plots = tell(json.loads((reports / report).read_text("utf-8")))
            text = _between(text, name, told)
            for file, plot in plots.items():
                (reports / file).write_text(plot, "utf-8")
                written.append(reports / file)
    fleets = [json.loads(path.read_text("utf-8")) for path in reports.glob("fleet-*.json")]
    if fleets:
        text = _between(text, "fleet", _fleets(sorted(fleets, key=lambda each: int(each["doors"]))))
    page.write_text(text, "utf-8")
    return [page, *written]


def _between(text: str, name: str, told: str) -> str:
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"the page has no place marked {name}")
    return marked.sub(lambda found: f"{found[1]}{told}{found[2]}", text)


def _bench(results: list[dict[str, Any]]) -> tuple[str, dict[str, str]]:
    rows = ["| what | path | floor | ratio | budget | |", "|---|--:|--:|--:|--:|---|"]
    drawn = []
    for each in results:
        verdict = "" if each["within_budget"] else "**over**"
        figures = " | ".join(f"{each[name]:.4g}" for name in ("path", "floor", "ratio", "budget"))
        rows.append(f"| {each['name']} | {figures} | {verdict} |")
        drawn.append(Bar(each["name"], each["ratio"] / each["budget"], f"{each['ratio']:.3g} of {each['budget']:.3g}"))
    plot = bars("Each ratio as a share of its budget (dashed)", drawn)
    return "\n".join(["![budgets](performance/budgets.svg)", "", *rows, ""]), {"budgets.svg": plot}


def _soak(report: dict[str, Any]) -> tuple[str, dict[str, str]]:
    series: dict[str, Json] = {each["name"]: each for each in report["series"]}
    rows = ["| what | first third | last third | at most | |", "|---|--:|--:|--:|---|"]
    for each in report["verdicts"]:
        figures = " | ".join(_figure(each[name], each["unit"]) for name in ("early", "late", "allowed"))
        rows.append(f"| {each['name']} | {figures} | {'flat' if each['flat'] else '**grew**'} |")
    plots = {
        "soak-memory.svg": _over_time(series, "memory", "Memory of each process, MB", MEGA),
        "soak-latency.svg": _over_time(series, "latency", "Latency of each visit, ms", 1.0),
        "soak-disk.svg": _over_time(series, "growth", "Bytes on disk, MB", MEGA),
        "soak-descriptors.svg": _over_time(series, "count", "Descriptors and threads", 1.0),
    }
    said = (
        f"{report['minutes']:g} minutes, {report['days']:g} days of traffic, {report['records']} records of the door."
    )
    pictures = [f"![{file.removesuffix('.svg')}](performance/{file})" for file in plots]
    return "\n".join([said, "", *pictures, "", *rows, ""]), plots


def _over_time(series: dict[str, Json], rule: str, title: str, scale: float) -> str:
    chosen = [each for each in series.values() if each["rule"] == rule]
    drawn = [Line(_short(each["name"], rule), [(at, value / scale) for at, value in each["points"]]) for each in chosen]
    return lines(title, "minutes", drawn)


def _short(name: str, rule: str) -> str:
    return name.removesuffix(" memory").removesuffix(" disk") if rule in ("memory", "growth") else name


def _figure(value: float, unit: str) -> str:
    return f"{value / MEGA:.2f} MB" if unit == "B" else f"{value:.4g} {unit}".strip()


def _fleets(fleets: list[dict[str, Any]]) -> str:
    rows = [
        "| doors | phase | p50 s | p95 s | all s | broker CPU s | hub CPU s | doors CPU s | broker MB | hub MB |",
        "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for fleet in fleets:
        for each in fleet["phases"]:
            times = (each[name] for name in ("p50_s", "p95_s", "seconds", "broker_cpu_s", "hub_cpu_s", "doors_cpu_s"))
            sizes = (each[name] / MEGA for name in ("broker_bytes", "hub_bytes"))
            figures = [*(f"{value:.1f}" for value in times), *(f"{value:.0f}" for value in sizes)]
            rows.append(f"| {fleet['doors']:,} | {each['name']} | {' | '.join(figures)} |")
    return "\n".join([*rows, ""])


if __name__ == "__main__":
    for path in write():
        print(path.relative_to(DOCS.parent))
