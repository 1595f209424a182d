"""A comparison as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from bench.differential.compare import Comparison, Course, Timeline
from bench.differential.tables import alerts, title, windows
from bench.harness import Table

_WIDTH, _LEFT, _CHART, _ROW = 1100, 150, 160, 18
_COLOURS = {"truth": "#555555", "Burnline": "#0b6bcb", "Prometheus": "#d9480f"}
_STYLE = (
    "body{font:14px/1.45 system-ui,sans-serif;max-width:1160px;margin:2em auto;padding:0 1em;color:#1b1b1b}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}text{font:12px system-ui,sans-serif}"
)


def page(found: Comparison) -> str:
    """The file's content."""
    charts = "".join(
        f"<h2>Region {escape(region)}: bad share of requests over 5 minutes</h2>{_lines(courses, found.fleet.seconds)}"
        for region, courses in found.shares.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Burnline beside Prometheus</title>'
        f"<style>{_STYLE}</style><h1>Burnline beside Prometheus</h1><p>{escape(title(found))}</p>"
        f"<h2>When alerts fire</h2>{_strips(found.timelines, found.fleet.seconds)}{_table(alerts(found))}"
        f"{charts}<h2>Counts of windows</h2>{_table(windows(found))}</html>\n"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><tr>{head}</tr>{rows}</table>"


def _strips(timelines: Iterable[Timeline], seconds: int) -> str:
    """One strip for each alert and judge; filled where it fires."""
    parts, top = [], 4
    for one in timelines:
        for judge, minutes in (("truth", one.truth), ("Burnline", one.burnline), ("Prometheus", one.prometheus)):
            label = f"{one.region} {one.severity}, {judge}"
            parts.append(f'<text x="0" y="{top + 12}">{escape(label)}</text>')
            parts += (_bar(begin, end, top, _COLOURS[judge], seconds) for begin, end in _runs(minutes))
            top += _ROW
        top += 8
    return _svg("".join(parts) + _hours(top, seconds), top + 20, "When each judge's alerts fire")


def _runs(minutes: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Runs of minutes, as begin and end in seconds."""
    begin = last = None
    for minute in sorted(minutes):
        if last is None or minute != last + 60:
            if begin is not None and last is not None:
                yield begin, last
            begin = minute - 60
        last = minute
    if begin is not None and last is not None:
        yield begin, last


def _bar(begin: int, end: int, top: int, colour: str, seconds: int) -> str:
    left, right = _x(begin, seconds), _x(end, seconds)
    return f'<rect x="{left:.1f}" y="{top + 2}" width="{right - left:.1f}" height="{_ROW - 5}" fill="{colour}"/>'


def _lines(courses: Mapping[str, Course], seconds: int) -> str:
    top = max((value for course in courses.values() for value in course.values()), default=0.0) or 1.0
    parts = []
    for place, (judge, course) in enumerate(courses.items()):
        points = " ".join(f"{_x(at, seconds):.1f},{_CHART * (1 - v / top) + 4:.1f}" for at, v in sorted(course.items()))
        width = 3 if judge == "truth" else 1.2
        colour = _COLOURS[judge]
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        parts.append(f'<text x="0" y="{60 + 18 * place}" fill="{colour}">{escape(judge)}</text>')
    parts.append(f'<text x="0" y="14">{top:.1%}</text>')
    return _svg("".join(parts) + _hours(_CHART + 4, seconds), _CHART + 26, "Bad share over five minutes by each judge")


def _hours(top: int, seconds: int) -> str:
    ticks = "".join(
        f'<text x="{_x(at, seconds):.1f}" y="{top + 15}">{at // 3600} h</text>' for at in range(0, seconds, 3600)
    )
    return f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{top}" y2="{top}" stroke="#999"/>{ticks}'


def _x(second: int, seconds: int) -> float:
    return _LEFT + second / seconds * (_WIDTH - _LEFT)


def _svg(content: str, height: int, label: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}">{content}</svg>'
    )
