"""A database as collector, engine and alerter would have left it, for the pages to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.histogram import Bounds
from core.measures import TARGET_TIME, Group, Measure, group_key
from core.signals import SIGNALS
from slo_engine.status import iso
from storage import alerts, canaries, deployments, fleet, generations, incidents, scores, slo
from storage.alerts import AlertEvent
from storage.canaries import Canary
from storage.database import Database, sqlite_url
from storage.deployments import Deployment
from storage.fleet import TargetHealth
from storage.generations import Generation
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, RowKey, SourceFlush
from storage.scores import Score
from storage.tables import audit, metadata, outbox

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
QUEUES: Bounds = SIGNALS["queue_depth"].bounds
SHARES: Bounds = SIGNALS["gpu_utilisation"].bounds
CANARY = {"model": "llama", "version": "v2", "region": "eu-west"}
STABLE = {"model": "llama", "version": "v1", "region": "eu-west"}
ELSEWHERE = {"model": "llama", "version": "v1", "region": "us-east"}
TITLE = "ttft in model llama, version v2, region eu-west burns its error budget 38.2 times too fast"


class World:
    """Writes one database; times are given as seconds before `now`."""

    def __init__(self, folder: Path, now: float) -> None:
        self.now = now
        self.url = sqlite_url(folder / "burnline.db")
        self.db = Database(self.url)
        metadata.create_all(self.db.engine)

    def collected(self, ago: float = 3.0) -> None:
        with self.db.write() as connection:
            fleet.put_shard(connection, "one", self.now - ago, self.now - 4000, self.now - ago, {})

    def judged(self, *status: Mapping[str, Any], ago: float = 20.0) -> None:
        with self.db.write() as connection:
            values = [(row["slo"], group_key(row["group"]), row) for row in status]
            slo.put_status(connection, values, self.now - ago)
            slo.add_evaluation(connection, int((self.now - ago) // 60) * 60, self.now - ago)

    def counted(
        self, groups: Mapping[Group, tuple[int, int, Sequence[int]]], minutes: int = 60, gauges: bool = True
    ) -> None:
        """(good, bad, TTFT cells) of each group in each of the last minutes before the watermark's."""
        dictionary = Dictionary()
        last = int((self.now - 3) // 60) * 60
        content = {RowKey(60, last - 60 * n): _minute(groups, n, gauges) for n in range(1, minutes + 1)}
        mark = rows.open_source(self.db, "scrape", "http://127.0.0.1:9/metrics", self.now)
        rows.commit(self.db, dictionary, [SourceFlush(mark, b"", content)], self.now)
        with self.db.write() as connection:
            rollups.store(connection, rollups.compute(connection))

    def target(self, url: str, **values: Any) -> None:
        made: dict[str, Any] = {
            "up": True,
            "last_scrape_at": self.now - 4,
            "engine": "vllm",
            "layer": "engine",
            "groups": [STABLE],
        }
        made |= {"watched_since": self.now - 9000}
        health = TargetHealth(url, "one", "llm", {}, 15.0, **(made | values))
        with self.db.write() as connection:
            fleet.put_targets(connection, [health])

    def incident(self, ago: float = 754.0, **values: Any) -> int:
        alert = alert_entry(self.now - ago)
        made: dict[str, Any] = {
            "group_key": "page:llama",
            "slo": "ttft",
            "title": TITLE,
            "severity": "page",
            "labels": alert["labels"],
            "evidence": gathered(self.now),
            "alerts": [alert],
            "opened_at": self.now - ago,
            "notified_at": self.now - ago + 12,
        }
        with self.db.write() as connection:
            incident_id = incidents.insert(connection, **made).id
            incidents.change(connection, incident_id, **(made | values))
            return incident_id

    def event(self, transition: str, ago: float, **values: Any) -> None:
        group = values.pop("group", CANARY)
        made: dict[str, Any] = {"slo": "ttft", "severity": "page", "labels": {}, "evidence": {}}
        made["annotations"] = {"summary": f"ttft is {transition}"}
        at = self.now - ago
        event = AlertEvent(at=at, group_key=group_key(group), transition=transition, starts_at=at, **(made | values))
        with self.db.write() as connection:
            alerts.append(connection, event)

    def undelivered(self, receiver: str, state: str, error: str | None, ago: float = 300.0) -> None:
        values = {"receiver": receiver, "key": "k", "dedup_key": "d", "message_id": "m", "body": {}, "attempts": 3}
        values |= {"created_at": self.now - ago, "next_attempt_at": self.now + 60, "state": state, "error": error}
        with self.db.write() as connection:
            connection.execute(outbox.insert().values(values))

    def audits(self) -> list[tuple[str, str, str]]:
        """(action, subject, actor) of every audit row."""
        with self.db.read() as connection:
            return [(row.action, row.subject, row.actor) for row in connection.execute(audit.select())]


def status_row(name: str, group: Mapping[str, str], state: str = "ok", burn: float | None = 0.4, **values: Any) -> Any:
    """A row of the status contract."""
    made = {
        "slo": name,
        "group": dict(group),
        "objective": 0.99,
        "window": "30d",
        "good": 995_012,
        "total": 1_000_000,
        "sli": 0.995012,
        "budget_remaining": 0.5012,
        "burn_rates": dict.fromkeys(WINDOWS, burn),
        "coverage": 0.998,
        "state": state,
        "since": "2026-01-01T00:00:00Z",
        "reason": None,
    }
    return made | values


def blank_row(name: str, reason: str, group: Mapping[str, str] | None = None) -> Any:
    """A row of which nothing is known."""
    unknown = dict.fromkeys(("good", "total", "sli", "budget_remaining", "coverage", "since"))
    return status_row(name, group or {}, "no_data", burn_rates={}, reason=reason, **unknown)


def alert_entry(starts_at: float, **values: Any) -> dict[str, Any]:
    """An alert as the alerter keeps it in its incident, with the engine's evidence."""
    made = {
        "fingerprint": "c0ffee",
        "labels": {"alertname": "ErrorBudgetBurn", "slo": "ttft", "service": "chat", "severity": "page", **CANARY},
        "annotations": {
            "summary": "ttft (region=eu-west, version=v2): the error budget burns 24.1 times too fast over 1h.",
            "description": "482 of 2000 were slower than 1 s over 1h. 41.0% of the 30d budget is left.",
            "runbook_url": "https://runbooks.example/ErrorBudgetBurn.md",
            "dashboard_url": "http://127.0.0.1:9410/?slo=ttft&version=v2",
        },
        "starts_at": starts_at,
        "ends_at": None,
        "evidence": {
            "burn_rates": {"5m": 38.2, "30m": 30.0, "1h": 24.1, "2h": 12.3, "6h": 4.1, "1d": 1.2, "3d": None},
            "condition": {"long": "1h", "short": "5m", "factor": 14.4},
            "bad_events": {"5m": 64, "30m": 300, "1h": 482, "2h": 490, "6h": 500, "1d": 580, "3d": 0},
            "total_events": {"5m": 168, "30m": 1000, "1h": 2000, "2h": 3980, "6h": 12_100, "1d": 48_000, "3d": 0},
            "budget_remaining": 0.41,
            "objective": 0.99,
            "coverage": 0.987,
            "suspects": [
                {"group": CANARY, "bad": 482, "total": 2000, "bad_share": 0.241, "this": True},
                {"group": STABLE, "bad": 31, "total": 9800, "bad_share": 0.0032, "this": False},
                {"group": ELSEWHERE, "bad": 12, "total": 9700, "bad_share": 0.0012, "this": False},
            ],
            "reason": "threshold exceeded",
            "evaluated_at": iso(starts_at),
        },
    }
    return made | values


def gathered(now: float) -> dict[str, Any]:
    """What the alerter gathers about a whole incident."""
    return {
        "targets": {"known": 3, "down": 1, "which": [{"target": "http://10.0.0.7:8000/metrics", "reason": "timeout"}]},
        "also_firing": [{"slo": "availability", "group": CANARY, "severity": "ticket", "since": now - 500}],
        "suspects": [],
        "recent_incidents": [{"id": 3, "title": "ttft in version v2", "opened_at": now - 200_000, "resolved_at": now}],
    }


def burning(world: World) -> int:
    """A fleet whose canary is slow in one region; returns the incident's id."""
    world.collected()
    world.judged(
        status_row("availability", STABLE),
        status_row("availability", CANARY, "pending", 3.2, budget_remaining=0.18),
        status_row("ttft", CANARY, "firing", 26.4, budget_remaining=-0.12, coverage=0.91, sli=0.9888),
        status_row("ttft", STABLE, budget_remaining=0.93),
        status_row(
            "ttft", ELSEWHERE, budget_remaining=0.97, burn_rates={w: None if w == "5m" else 0.1 for w in WINDOWS}
        ),
        blank_row("hallucinations", "no judged sample yet"),
    )
    world.counted(
        {
            tuple(sorted(CANARY.items())): (31, 4, (1, 2, 4, 8, 12, 6, 2)),
            tuple(sorted(STABLE.items())): (160, 0, (30, 80, 40, 8, 2, 0, 0)),
            tuple(sorted(ELSEWHERE.items())): (120, 0, (30, 60, 24, 5, 1, 0, 0)),
        }
    )
    world.target("http://10.0.0.5:8000/metrics")
    world.target("http://10.0.0.6:8000/metrics", groups=[ELSEWHERE])
    down = {"up": False, "error_reason": "timeout", "error": "no answer within 10 s", "groups": [CANARY]}
    world.target("http://10.0.0.7:8000/metrics", **down)
    world.target(
        "http://10.0.0.8:8000/metrics",
        groups=[CANARY],
        conditions=["sawtooth: counters go back and forth, as if several workers answered; excluded from all counts"],
    )
    world.undelivered("pagerduty", "pending", "HTTP 503 from the receiver")
    for transition, ago in (("pending", 900), ("firing", 754), ("resolved", 30_000), ("firing", 33_000)):
        world.event(transition, ago)
    world.event("pending", 400, slo="availability", severity="ticket")
    return world.incident()


def busy(world: World) -> int:
    """A burning fleet with everything else that the pages show: a canary, traces, verdicts, a month of history."""
    incident = burning(world)
    lived(world)
    told(world)
    return incident


def lived(world: World, days: int = 30) -> None:
    """Hours of two versions with GPUs, answers drawn and judged; the last week had more of all, and more failed."""
    end = int(world.now // 3600) * 3600
    content = {RowKey(3600, end - 3600 * n): _hour(n) for n in range(1, 24 * days + 1)}
    mark = rows.open_source(world.db, "scrape", "http://127.0.0.1:9/history", world.now)
    rows.commit(world.db, Dictionary(), [SourceFlush(mark, b"", content)], world.now)
    with world.db.write() as connection:
        rollups.store(connection, rollups.compute(connection))


def told(world: World) -> None:
    """A deployment, its canary, failed calls and flagged answers."""
    new = Deployment(0, world.now - 5000, "llama", "v2", "eu-west", 0.1, "rank 8 adapters", "ci", world.now - 5000)
    deployments.add(world.db, new)
    with world.db.write() as connection:
        canaries.put(connection, [trial(world.now)])
        generations.add(connection, [call(world.now, n) for n in range(9)])
        scores.put(connection, [verdict(world.now, n) for n in range(5)])


def trial(now: float, **values: Any) -> Canary:
    """A canary whose errors convict it."""
    made: dict[str, Any] = {"id": "llama:v2:1", "model": "llama", "region": None, "version": "v2", "baseline": "v1"}
    made |= {"started_at": now - 5000, "ended_at": None, "deployment_id": 1, "failed_at": now - 700}
    made |= {"state": "fail", "watermark": now - 20, "verdict": convicted()}
    return Canary(**(made | values))


def convicted(**values: Any) -> dict[str, Any]:
    """A verdict as the API tells it."""
    criteria = [
        {"name": "errors", "slo": "request-success", "e_value": 812.0, "delta": 0.021, "interval": [0.008, 0.035]},
        {"name": "slow first token", "slo": "ttft", "e_value": 0.4, "delta": -0.002, "interval": [-0.011, 0.009]},
        {"name": "slow", "slo": "e2e", "e_value": None, "delta": None, "interval": None, "reason": "no histogram"},
    ]
    made = {
        "state": "fail",
        "reason": "v2 fails more requests than v1 (errors)",
        "e_value": 406.2,
        "alpha": 0.05,
        "delta": 0.021,
        "interval": [0.008, 0.035],
        "requests": {"canary": 2000, "baseline": 19_500},
        "bad": {"canary": 82, "baseline": 43},
        "criteria": criteria,
        "suspects": [{"region": "eu-west", "e_value": 903.0, "delta": 0.034}, {"region": "us-east", "e_value": 0.7}],
        "needs": None,
    }
    return made | values


def call(now: float, n: int, **values: Any) -> Generation:
    """A model call; two of three failed."""
    failed = n % 3 != 0
    made: dict[str, Any] = {"trace_id": f"{n:032x}", "span_id": f"{n:016x}", "at": now - 30 * n, "received_at": now}
    made |= {"group": tuple(sorted(CANARY.items())), "operation": "chat", "duration": 1.5, "stratum": "base"}
    made |= {"outcome": "bad" if failed else "good", "goodput": "bad" if failed else "good", "probability": 0.5}
    made |= {"sampled": n % 2 == 0, "error_type": "timeout" if failed else None}
    return Generation(**(made | values))


def verdict(now: float, n: int, **values: Any) -> Score:
    """A detector's word on a call; the first three are flagged."""
    made: dict[str, Any] = {"trace_id": f"{n:032x}", "span_id": f"{n:016x}", "at": now - 60 * n, "judged_at": now}
    made |= {"detector": "pii" if n == 0 else "groundedness", "revision": "g1", "stratum": "base", "score": 0.9}
    made |= {"group": tuple(sorted(CANARY.items())), "verdict": "flagged" if n < 3 else "clear"}
    return Score(**(made | values))


def _hour(n: int) -> AtomCells:
    recent, wave = n <= 168, 1 + 0.4 * ((n % 24) / 12 - 1) ** 2
    content: AtomCells = {}
    for group, size in ((STABLE, 4000), (ELSEWHERE, 2500)):
        key = tuple(sorted(group.items()))
        good = int(size * wave * (1.2 if recent else 1.0))
        content[_requests("good", key), 0] = good
        content[_requests("bad", key), 0] = good // (300 if recent else 600)
        for state, seen in (("expected", 3_600_000), ("covered", 3_560_000)):
            content[Atom(Measure(TARGET_TIME, "engine", (("state", state),)), key), 0] = seen
        content[Atom(Measure("cost", "hardware"), key), 0] = 3_100_000
        content[Atom(Measure("gpu_time", "hardware"), key), 0] = 3_600_000
        for name, attrs, number in _judged_of(good, recent):
            content[Atom(Measure(name, "client", tuple(sorted(attrs.items()))), key), 0] = number
    return content


def _judged_of(good: int, recent: bool) -> list[tuple[str, dict[str, str], int]]:
    drawn, stratum = good // 50, {"stratum": "base"}
    by = {**stratum, "detector": "groundedness", "revision": "g1"}
    flagged = drawn // 20 if recent else drawn // 30
    return [
        ("generations", {**stratum, "outcome": "good"}, good),
        ("drawn", stratum, drawn),
        ("judged", {**by, "verdict": "flagged"}, flagged),
        ("judged", {**by, "verdict": "clear"}, drawn - flagged - 2),
    ]


def _minute(groups: Mapping[Group, tuple[int, int, Sequence[int]]], n: int, gauges: bool) -> AtomCells:
    content: AtomCells = {}
    wave = 1 + (n * 7 % 11) / 20
    for group, (good, bad, ttft) in groups.items():
        content[_requests("good", group), 0] = int(good * wave)
        # What is bad began a quarter of an hour ago.
        content[_requests("bad", group), 0] = bad if n < 15 else 0
        for cell, count in enumerate(ttft):
            content[Atom(Measure("ttft", "engine", (), BOUNDS), group), cell] = int(count * wave)
        for state in ("expected", "covered"):
            content[Atom(Measure(TARGET_TIME, "engine", (("state", state),)), group), 0] = 60_000
        if not gauges:
            continue
        content[Atom(Measure("queue_depth", "engine", (), QUEUES), group), 3 if bad and n < 15 else 1] = 60_000
        content[Atom(Measure("gpu_utilisation", "hardware", (), SHARES), group), 70 + n % 20] = 60_000
    return {key: n for key, n in content.items() if n}


def _requests(outcome: str, group: Group) -> Atom:
    return Atom(Measure("requests", "engine", (("outcome", outcome), ("reason", "stop"))), group)
