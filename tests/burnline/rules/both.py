"""One history, judged twice: by Burnline, and by Prometheus with the rules that Burnline writes.

A history gives every series a value at each minute's edge, so that both see the same counts in the same windows and
their alerts must agree minute by minute.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench.replayed import replay
from burnline.raw_series import signals_of_engines
from core import yaml
from slo_engine import evaluate
from slo_engine.conditions import Level
from slo_engine.evaluate import severities
from slo_engine.rules import RulePolicy, generate, render_groups
from slo_engine.specs import load
from slo_engine.specs.model import Slo
from slo_engine.status import Reading
from slo_engine.windows import BurnRow

BEGIN = 1_767_571_200
"""A whole day: promtool's clock begins at 0, which is one too."""

Alerts = dict[int, set[tuple[tuple[str, str], ...]]]
"""By minute since the beginning, the labels of each alert that fires."""


@dataclass(frozen=True)
class History:
    """Families by name and type; each series (with its labels) has a value every `step` seconds, from 0 on."""

    families: Mapping[str, tuple[str, Mapping[str, Sequence[float]]]]
    step: int = 60

    @property
    def minutes(self) -> int:
        """The last one."""
        return (len(next(iter(next(iter(self.families.values()))[1].values()))) - 1) * self.step // 60

    def openmetrics(self) -> bytes:
        """For Burnline."""
        lines = []
        for family, (kind, series) in self.families.items():
            lines.append(f"# TYPE {family} {kind}")
            for name, values in series.items():
                lines += [f"{name} {value!r} {BEGIN + n * self.step}" for n, value in enumerate(values)]
        return "\n".join([*lines, "# EOF", ""]).encode()

    def input_series(self) -> list[dict[str, str]]:
        """For promtool."""
        return [
            {"series": name, "values": " ".join(map(repr, values))}
            for _, series in self.families.values()
            for name, values in series.items()
        ]


def slos_of(path: Path) -> list[Slo]:
    """The SLOs of a file that has no problems."""
    catalogue = load([path])
    assert not catalogue.problems
    return list(catalogue.slos)


def rules_of(slos: Sequence[Slo], engines: Sequence[str] = (), policy: RulePolicy = RulePolicy.BURNLINE) -> str:
    """The rule file; nothing may be left out."""
    generated = generate(slos, signals_of_engines(engines), policy)
    assert not generated.left_out
    return render_groups(generated.groups)


def by_burnline(history: History, slos: Sequence[Slo]) -> Alerts:
    """What Burnline's engine decides, by rates: where events are few the rules have no detector to ask."""
    with patch.object(evaluate, "_level", _by_rates):
        replayed = replay(history.openmetrics(), slos, live=False)
    found: Alerts = {minute: set() for minute in range(1, history.minutes + 1)}
    for slo in slos:
        for group in replayed.groups(slo.name):
            for severity in severities(slo):
                labels = {**dict(group), "slo": slo.name, "service": slo.service, "severity": severity}
                for minute in replayed.firing(slo.name, group, severity):
                    found[(minute - BEGIN) // 60].add(tuple(sorted(labels.items())))
    return found


def _by_rates(reading: Reading, row: BurnRow) -> Level:
    short, long = reading.windows[row.short], reading.windows[row.long]
    if not short.known:
        return Level.UNKNOWN
    if not evaluate._above(short, row):
        return Level.BELOW if short.counts.total or short.counts.covered else Level.UNKNOWN
    enough = long.bad >= RulePolicy.BURNLINE.least_bad(reading.formula.slo)
    return Level.ABOVE if enough and evaluate._above(long, row) else Level.SHORT_ONLY


def expect(rules: str, history: History, alerts: Alerts, folder: Path) -> str:
    """What promtool says against exactly these alerts; empty when they are what Prometheus has."""
    (folder / "rules.yaml").write_text(_without_annotations(rules))
    tests = [
        {"eval_time": f"{minute}m", "alertname": "ErrorBudgetBurn", "exp_alerts": [{"exp_labels": dict(a)} for a in on]}
        for minute, on in sorted(alerts.items())
    ]
    return run_test(folder, ["rules.yaml"], history, alert_rule_test=tests)


def run_test(folder: Path, rules: Sequence[str], history: History, **tests: Any) -> str:
    """`promtool test rules`: what it says when it fails, else an empty text."""
    # Without an order promtool takes groups as they come, and an alert may see its records of a minute ago.
    groups = [group["name"] for file in rules for group in _groups((folder / file).read_text())]
    one = {"interval": f"{history.step}s", "input_series": history.input_series(), **tests}
    content = {"rule_files": list(rules), "evaluation_interval": "1m", "group_eval_order": groups, "tests": [one]}
    (folder / "test.yaml").write_text(json.dumps(content))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], capture_output=True, text=True, check=False, cwd=folder
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _groups(rules: str) -> list[dict[str, Any]]:
    return list(yaml.load_text(rules, "rules")[0].value["groups"])


def _without_annotations(rules: str) -> str:
    groups = _groups(rules)
    for group in groups:
        for rule in group["rules"]:
            rule.pop("annotations", None)
    return json.dumps({"groups": groups})
