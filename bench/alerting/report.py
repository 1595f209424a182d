"""The tables and plots of docs/alerting-evidence.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape

from bench.alerting.outages import RATIOS, Case, Times, cases, closed_form, simulated
from bench.alerting.study import Kind, Results
from bench.harness import Table

_PART = re.compile(r"(<!-- bench\.alerting: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SIDE, _GAP, _LEFT, _TOP = 190, 62, 46, 40
_COLOURS = ("#9aa0a6", "#8c6d31", "#bd9e39", "#7b4173", "#ce6dbd", "#3182bd", "#e6550d", "#31a354", "#d62728")


def rewritten(page: str, parts: Mapping[str, str]) -> str:
    """A page with its marked parts replaced; KeyError for a part that is not made."""
    return _PART.sub(lambda part: f"{part[1]}\n{parts[part[2]]}\n\n{part[3]}", page)


def outages() -> dict[str, str]:
    """The workbook's table: each figure as simulated, with its closed form in brackets."""
    found = {case: (closed_form(case), simulated(case)) for case in cases()}
    return {
        "detection": str(_outage_table(found, lambda case, times: _duration(times.detection))),
        "reset": str(_outage_table(found, lambda case, times: _duration(times.reset))),
        "budget": str(_outage_table(found, lambda case, times: _spent(times.spent(case.ratio)))),
    }


def _outage_table(found: Mapping[Case, tuple[Times, Times]], text: Callable[[Case, Times], str]) -> Table:
    names = dict.fromkeys((case.approach.name, case.severity) for case in found)
    rows = [
        [
            f"{name}, {severity}",
            *(
                _both(text(case, seen), text(case, closed))
                for case, (closed, seen) in found.items()
                if (case.approach.name, case.severity) == (name, severity)
            ),
        ]
        for name, severity in names
    ]
    return Table(("approach", *(f"{float(100 * ratio):g} % bad" for ratio in RATIOS)), rows)


def _both(seen: str, closed: str) -> str:
    return seen if seen == closed else f"{seen} ({closed})"


def scores(results: Results, kind: Kind, severity: str) -> str:
    """One table: the rules over months of one kind."""
    head = ("rule", "precision", "recall", "of 3 bad or more", "false a month", "delay", "delay, p95")
    rows = [
        [
            cell.approach,
            _percent(found.precision),
            _percent(found.recall),
            _percent(found.telling_recall),
            f"{found.false_a_month:.2f}",
            _duration(found.delay(50), 60),
            _duration(found.delay(95), 60),
        ]
        for cell, found in results.items()
        if (cell.kind, cell.severity) == (kind, severity)
    ]
    return str(Table(head, rows))


def all_scores(results: Results, kinds: Sequence[Kind], severity: str) -> str:
    """The tables of one severity, each under its kind of traffic."""
    parts = []
    for kind in kinds:
        found = [one for cell, one in results.items() if (cell.kind, cell.severity) == (kind, severity)]
        events = f"{found[0].months:,} months, {found[0].events / found[0].months:.1f} events a month"
        telling = f"{_percent(found[0].telling / max(1, found[0].events))} of them with 3 failed requests or more"
        parts.append(f"**{kind}** ({events}, {telling}):\n\n{scores(results, kind, severity)}")
    return "\n\n".join(parts)


def plot(results: Results, kinds: Sequence[Kind], severity: str) -> str:
    """Precision over recall of every rule, a panel a kind of traffic, as SVG."""
    names = list(dict.fromkeys(cell.approach for cell in results if cell.severity == severity))
    columns = 3
    lines = -(-len(kinds) // columns)
    width, height = _LEFT + columns * (_SIDE + _GAP), _TOP + lines * (_SIDE + _GAP) + 22 * -(-len(names) // 3)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="11"><title>Precision and recall of {severity}s</title>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    ]
    for place, kind in enumerate(kinds):
        left, top = _LEFT + place % columns * (_SIDE + _GAP), _TOP + place // columns * (_SIDE + _GAP)
        parts.append(_panel(results, kind, severity, names, left, top))
    top = _TOP + lines * (_SIDE + _GAP)
    for place, name in enumerate(names):
        x, y = _LEFT + place % 3 * (_SIDE + _GAP), top + place // 3 * 20
        parts.append(f'{_dot(x, y, place)}<text x="{x + 10}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _panel(results: Results, kind: Kind, severity: str, names: Sequence[str], left: int, top: int) -> str:
    parts = [
        f'<text x="{left}" y="{top - 10}" font-weight="bold">{escape(str(kind))}</text>',
        f'<rect x="{left}" y="{top}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>',
        f'<text x="{left + _SIDE / 2}" y="{top + _SIDE + 28}" text-anchor="middle">recall</text>',
        f'<text transform="translate({left - 30} {top + _SIDE / 2}) rotate(-90)" text-anchor="middle">precision</text>',
    ]
    for share in (0, 0.5, 1):
        at = share * _SIDE
        parts.append(f'<text x="{left + at}" y="{top + _SIDE + 14}" text-anchor="middle">{share:.0%}</text>')
        parts.append(f'<text x="{left - 4}" y="{top + _SIDE - at + 4}" text-anchor="end">{share:.0%}</text>')
    for cell, found in results.items():
        if (cell.kind, cell.severity) == (kind, severity) and found.precision is not None and found.recall is not None:
            x, y = left + found.recall * _SIDE, top + (1 - found.precision) * _SIDE
            parts.append(_dot(x, y, names.index(cell.approach)))
    return "\n".join(parts)


def _dot(x: float, y: float, place: int) -> str:
    colour = _COLOURS[place % len(_COLOURS)]
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}" fill-opacity="0.85"/>'


def _spent(share: float | None) -> str:
    """Of a budget, to two digits that matter."""
    return "-" if share is None else f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def _percent(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share:.1f} %" if share < 0.9995 or share > 1.0005 else "100 %"


def _duration(value: float | None, unit: int = 1) -> str:
    """Seconds (or so many times `unit` of them) to three digits."""
    if value is None:
        return "never"
    seconds = value * unit
    for size, name in ((86_400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:.3g} s"
