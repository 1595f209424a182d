"""`burnline ledger replay` against a generator that knows the truth, and against promtool for the form of its files."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnline.replay import replay
from burnline.times import parse_time
from core.errors import ConfigError, SpecError

BEGIN = 1_767_571_200
"""A whole hour."""

SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: success}
spec:
  service: chat
  indicator:
    metadata: {name: success}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {type: burnline, spec: {selector: 'app_requests_total{code="500"}', by: [region]}}}
        total: {metricSource: {type: burnline, spec: {selector: app_requests_total, by: [region]}}}
  timeWindow: [{duration: WINDOW, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{targetPercent: 99}]
"""


@dataclass
class Server:
    """One process after another behind an address: what it shows, and what it really did in each minute."""

    name: str
    region: str
    random: Random
    born: float
    counts: dict[str, int] = field(default_factory=lambda: {"200": 0, "500": 0})
    lines: dict[str, list[str]] = field(default_factory=dict)
    seen: bool = False

    def serve(self, good: int, bad: int) -> None:
        self.counts["200"] += good
        self.counts["500"] += bad

    def restart(self, at: float) -> None:
        self.born = at
        self.counts = {"200": 0, "500": 0}

    def scrape(self, at: float) -> None:
        labels = f'instance="{self.name}",job="app",region="{self.region}"'
        for code, n in self.counts.items():
            self._say("app_requests", f'app_requests_total{{code="{code}",{labels}}} {n} {at:.3f}')
        self._say("process_start_time_seconds", f"process_start_time_seconds{{{labels}}} {self.born} {at:.3f}")

    def _say(self, family: str, line: str) -> None:
        self.lines.setdefault(family, []).append(line)


@dataclass
class History:
    """A small fleet over some hours. `truth` holds (minute, region) → (good, bad) as a perfect ledger has them.

    Whatever is counted lies between two scrapes of one minute, so that each minute's truth is known exactly; the
    scrapes between minutes are irregular and see nothing new. Servers are born, begin anew, fall silent and die.
    """

    seed: int
    hours: float = 3.0
    text: str = ""
    truth: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        random = Random(self.seed)
        servers = [
            Server(f"s{n}:80", random.choice(["eu", "us"]), random, BEGIN - 5000.0) for n in range(random.randint(1, 3))
        ]
        for server in servers:
            self._live(server, random)
        self.text = _openmetrics(servers)

    def _live(self, server: Server, random: Random) -> None:
        first = random.randint(0, 30)
        if first:
            server.restart(float(BEGIN + first * 60 + 1))  # born while its job is watched: counted from zero
        last = random.randint(90, int(self.hours * 60))
        server.serve(0 if first else random.randint(0, 1000), 0 if first else random.randint(0, 9))
        if not first:
            server.scrape(BEGIN + 0.25)
        for minute in range(first, last):
            self._minute(server, BEGIN + minute * 60, random)

    def _minute(self, server: Server, minute: int, random: Random) -> None:
        what = random.random()
        if what < 0.1:
            return  # nobody scrapes, nobody asks
        if what < 0.13:
            server.restart(minute + 2.0)
        if what < 0.8:
            server.scrape(minute + 3.0 + random.randint(0, 4000) / 1000)
            for at in range(10, 50, random.choice([5, 13, 30])):
                self._work(server, minute, random)
                server.scrape(minute + at + random.randint(0, 4000) / 1000)
            return
        server.scrape(minute + random.randint(1000, 59_000) / 1000)

    def _work(self, server: Server, minute: int, random: Random) -> None:
        good, bad = random.randint(0, 500), random.choice([0, 0, 0, 7])
        server.serve(good, bad)
        before = self.truth.get((minute, server.region), (0, 0))
        self.truth[minute, server.region] = before[0] + good, before[1] + bad

    def expected(self, region: str, window: int, end: int) -> tuple[int, int]:
        """(good, bad) of a window that ends at `end`."""
        inside = [n for (minute, where), n in self.truth.items() if where == region and end - window <= minute < end]
        return sum(good for good, _ in inside), sum(bad for _, bad in inside)


def _openmetrics(servers: list[Server]) -> str:
    text = ["# TYPE app_requests counter"]
    text += [line for server in servers for line in _by_series(server.lines.get("app_requests", []))]
    text.append("# TYPE process_start_time_seconds gauge")
    text += [line for server in servers for line in server.lines.get("process_start_time_seconds", [])]
    return "\n".join([*text, "# EOF", ""])


def _by_series(lines: list[str]) -> Iterator[str]:
    """The samples of one series stand together."""
    yield from sorted(lines, key=lambda line: line.split(" ", 1)[0])


def run(folder: Path, text: str, at: float | None, window: str = "1d") -> dict[str, dict[str, Any]]:
    """The status by region."""
    (folder / "day.om").write_text(text)
    (folder / "slo.yaml").write_text(SLO.replace("WINDOW", window))
    rows = replay(folder / "day.om", [folder / "slo.yaml"], at)
    return {row["group"].get("region", ""): row for row in rows}


@given(st.integers(0, 10**6), st.integers(0, 179))
@settings(max_examples=5, deadline=None)
def test_totals_are_those_of_the_generator_whatever_becomes_of_its_servers(seed: int, minute: int) -> None:
    history = History(seed)
    end = BEGIN + minute * 60 + 59
    with TemporaryDirectory() as folder:
        rows = run(Path(folder), history.text, float(end))
    for region in {where for (at, where) in history.truth if at <= end}:
        good, bad = history.expected(region, 86_400, end + 1)
        row = rows[region]
        assert (row["good"] or 0, row["total"] or 0) == (good, good + bad)
        if good + bad:
            assert row["sli"] == good / (good + bad)
            assert row["budget_remaining"] == pytest.approx(1 - bad / (0.01 * (good + bad)), abs=1e-12)
        for window, seconds in (("5m", 300), ("1h", 3600)):
            inside, wrong = history.expected(region, seconds, end + 1)
            rate = row["burn_rates"].get(window)
            if window in row["burn_rates"]:
                assert rate == (
                    None if not inside + wrong else pytest.approx(wrong / (inside + wrong) / 0.01, abs=1e-9)
                )


def test_every_field_of_the_contract_is_there_and_what_is_unknown_is_null_with_a_reason(tmp_path: Path) -> None:
    history = History(1)
    found = run(tmp_path, history.text, BEGIN + 3600 * 40)
    fields = {"slo", "group", "objective", "window", "good", "total", "sli", "budget_remaining", "burn_rates"}
    fields |= {"coverage", "exact", "state", "since", "reason", "reset_at", "reset_reason", "exhausted_at"}
    assert found
    for row in found.values():
        assert set(row) == fields
        json.dumps(row, allow_nan=False)
        assert row["state"] == "no_data"
        assert row["sli"] is None and row["reason"] is not None


@pytest.mark.server("promtool")
@pytest.mark.parametrize("seed", [3, 4])
def test_the_files_that_are_replayed_are_openmetrics_to_promtool_too(seed: int, tmp_path: Path) -> None:
    file = tmp_path / "day.om"
    file.write_text(History(seed).text)
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", file, tmp_path / "blocks"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "blocks").iterdir())


def test_samples_after_the_moment_that_is_asked_for_are_not_read(tmp_path: Path) -> None:
    history = History(5)
    early, late = run(tmp_path, history.text, BEGIN + 3599.0), run(tmp_path, history.text, None)
    for region, row in early.items():
        good, bad = history.expected(region, 86_400, BEGIN + 3600)
        assert (row["total"] or 0) == good + bad
        assert late[region]["total"] >= (row["total"] or 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app_total 1\n# EOF\n", "timestamp"),
        ("# TYPE a counter\na_total{ 1 1\n# EOF\n", "day.om"),
        ("# TYPE a counter\na_total 1 1.0\n", "day.om"),
    ],
    ids=["no timestamps", "no labels", "no end"],
)
def test_a_file_that_is_no_openmetrics_with_timestamps_is_refused_with_its_place(
    text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        run(tmp_path, text, None)


def test_a_missing_file_and_a_broken_slo_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "slo.yaml"
    broken.write_text("kind: SLO\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        replay(tmp_path / "none.om", [], None)
    with pytest.raises(SpecError, match=r"slo\.yaml:1"):
        replay(tmp_path / "none.om", [broken], None)


@pytest.mark.parametrize(
    ("text", "time"),
    [("1767571200", 1767571200.0), ("2026-01-05T00:00:00Z", 1767571200.0), ("2026-01-05T01:00:00+01:00", 1767571200.0)],
)
def test_a_time_is_unix_seconds_or_rfc_3339(text: str, time: float) -> None:
    assert parse_time(text) == time


@pytest.mark.parametrize("text", ["yesterday", "2026-01-05T00:00:00", "", "nan", "inf", "-5"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_time(text)
