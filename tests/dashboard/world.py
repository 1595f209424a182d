"""A database as collector, engine and alerter would have left it, for the pages to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.measures import TARGET_TIME, Group, Measure, group_key
from slo_engine.status import iso
from storage import alerts, fleet, incidents, slo
from storage.alerts import AlertEvent
from storage.database import Database, sqlite_url
from storage.fleet import TargetHealth
from storage.ledger import rollups, rows
from storage.ledger.dictionary import Atom, Dictionary
from storage.ledger.rows import AtomCells, RowKey, SourceFlush
from storage.tables import audit, metadata, outbox

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
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

    def counted(self, groups: Mapping[Group, tuple[int, int, Sequence[int]]], minutes: int = 60) -> None:
        """(good, bad, TTFT cells) of each group in each of the last minutes before the watermark's."""
        dictionary = Dictionary()
        last = int((self.now - 3) // 60) * 60
        content = {RowKey(60, last - 60 * n): _minute(groups, n) for n in range(1, minutes + 1)}
        mark = rows.open_source(self.db, "scrape", "http://127.0.0.1:9/metrics", self.now)
        rows.commit(self.db, dictionary, [SourceFlush(mark, b"", content)], self.now)
        with self.db.write() as connection:
            rollups.store(connection, rollups.compute(connection))

    def target(self, url: str, **values: Any) -> None:
        made = {"up": True, "last_scrape_at": self.now - 4, "engine": "vllm", "layer": "engine", "groups": [STABLE]}
        health = TargetHealth(url, "one", "llm", {}, 15.0, self.now - 9000, **(made | values))
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
    world.target("http://10.0.0.8:8000/metrics", groups=[CANARY], conditions=["sawtooth"])
    world.undelivered("pagerduty", "pending", "HTTP 503 from the receiver")
    for transition, ago in (("pending", 900), ("firing", 754), ("resolved", 30_000), ("firing", 33_000)):
        world.event(transition, ago)
    world.event("pending", 400, slo="availability", severity="ticket")
    return world.incident()


def _minute(groups: Mapping[Group, tuple[int, int, Sequence[int]]], n: int) -> AtomCells:
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
    return {key: n for key, n in content.items() if n}


def _requests(outcome: str, group: Group) -> Atom:
    return Atom(Measure("requests", "engine", (("outcome", outcome), ("reason", "stop"))), group)
