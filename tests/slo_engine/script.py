"""The language of the scenarios in tests/slo_engine/scenarios: traffic at times, ticks at minutes, what must be said.

    slo NAME TARGET [except WHAT]: INDICATOR   WHAT as in burnline/exclude; INDICATOR is one of
                                        requests | selector BAD TOTAL BY | ttft <= S | kv_cache <= X
                                        cost <= $ for 1000 | tokens >= N a second [while waiting] | datadog | prometheus
                                        … of slices WINDOW TARGET: Timeslices; of ratio slices WINDOW: RatioTimeslices
    count A-B GROUP [SHAPE]: NAME N …   so many in each minute, straight into the ledger; names are good, bad, ttft≤S, …
    scrape TARGET A-B every S LABELS: SERIES+N …, SERIES=N …   pages of a vLLM target, from A on, up to and without B
    silent TARGET A-B every S           scrapes that fail
    maintenance A-B MATCHERS            maintenance is announced
    leave TARGET A                      the target leaves discovery
    tick A-B [every S]                  the engine does a round at each minute (or each S seconds), A and B included
    use NAME TARGET: INDICATOR          from here on this is the SLO of that name
    drop NAME                           from here on there is no such SLO
    restart                             the engine is dropped, another one leads
    expect SLO{GROUP}: KEY=VALUE …      of its status row now; KEY~TEXT: the value contains TEXT
    events                              the lines after it are all events, in order

Times are hours:minutes[:seconds] since START. A line that begins with # is a remark.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from collector.exposition import Series
from collector.replay import Samples, TimedPage
from core.labels import make
from core.matchers import parse_matchers
from core.measures import Measure
from core.recurrence import Recurrence
from storage import maintenance
from tests.slo_engine.world import START, World, ratio, spec, threshold

BOUNDS = (0.1, 0.25, 0.5, 1.0)
OTHER_BOUNDS = (0.2, 0.5, 0.8)


def seconds(text: str) -> float:
    """A time in a script as Unix seconds."""
    hours, minutes, *rest = text.split(":")
    return START + int(hours) * 3600 + int(minutes) * 60 + float(rest[0] if rest else 0)


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`model=a,version=b` as a group."""
    return make(tuple(part.split("=", 1)) for part in text.split(",") if part)  # type: ignore[misc] # two parts each


def slo_text(name: str, target: str, indicator: str, page: str = "true") -> str:
    """An SLO in the script's words as OpenSLO."""
    goal = float(target)
    if " of slices " in indicator or " of ratio slices " in indicator:
        return _sliced(slo_text(name, target, re.split(" of (?:ratio )?slices ", indicator)[0]), indicator)
    if indicator.startswith("requests"):
        by = indicator.partition(" by ")[2] or "model"
        layer = ""
        if " in " in indicator:
            layer = f", layer: {indicator.partition(' in ')[2]}"
            by = "model"
        good = f"signal: requests, where: 'outcome=\"good\"', by: [{by}]{layer}"
        return spec(ratio(good, f"signal: requests, by: [{by}]{layer}"), goal, name)
    if indicator.startswith("selector"):
        _, bad, total, by = indicator.split()
        return spec(ratio(f"selector: '{bad}', by: [{by}]", f"selector: '{total}', by: [{by}]", "bad"), goal, name)
    if indicator in ("datadog", "prometheus"):
        foreign = f"{{metricSource: {{type: {indicator}, spec: {{query: sum(x)}}}}}}"
        return spec(f"{{ratioMetric: {{counter: true, good: {foreign}, total: {foreign}}}}}", goal, name)
    signal, op, value = indicator.split()[:3]
    word = {"<=": "lte", "<": "lt", ">=": "gte", ">": "gt"}[op]
    if signal == "tokens":
        condition = ", while: 'queue_depth>0'" if "while waiting" in indicator else ""
        text = f"signal: generation_tokens, rate: true{condition}, by: [model]"
    elif signal == "cost":
        text = "signal: cost, per: generation_tokens, scale: 1000, by: [model]"
    else:
        text = f"signal: {signal}, by: [model]"
    return spec(threshold(text), goal, name, at_most=float(value), op=word)


def _sliced(text: str, indicator: str) -> str:
    """The same SLO with its budget in slices."""
    of, _, words = indicator.partition(" slices ")
    window, *target = words.split()
    method = "RatioTimeslices" if of.endswith(" ratio") else "Timeslices"
    share = f", timeSliceTarget: {target[0]}" if target else ""
    text = text.replace("budgetingMethod: Occurrences", f"budgetingMethod: {method}")
    return text.replace("objectives: [{", f"objectives: [{{timeSliceWindow: {window}{share}, ")


def measure_of(name: str, layer: str) -> tuple[Measure, int]:
    """What a name of a `count` line stands for: a measure and a cell."""
    if name in ("good", "bad", "excluded"):
        return Measure("requests", layer, (("outcome", name), ("reason", "x"))), 0
    if name.startswith("ttft"):
        bounds = OTHER_BOUNDS if "'" in name else BOUNDS
        return Measure("ttft", layer, (), bounds), bounds.index(float(name.rpartition("@")[2]))
    if name in ("tokens", "cost"):
        return Measure({"tokens": "generation_tokens"}.get(name, name), layer), 0
    raise AssertionError(name)


SERIES = {
    "ok": ("vllm:request_success_total", (("finished_reason", "stop"),)),
    "error": ("vllm:request_success_total", (("finished_reason", "error"),)),
    "abort": ("vllm:request_success_total", (("finished_reason", "abort"),)),
    "tokens": ("vllm:generation_tokens_total", ()),
    "waiting": ("vllm:num_requests_waiting", ()),
    "kv": ("vllm:kv_cache_usage_perc", ()),
    "start": ("process_start_time_seconds", ()),
}
"""Short names of a vLLM page's series."""


@dataclass
class Target:
    """A vLLM server that is scraped: its counters grow from page to page."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)
    series: dict[tuple[str, tuple[tuple[str, str], ...]], Series] = field(default_factory=dict)

    def page(self, changes: list[str]) -> Samples:
        """The next page."""
        for change in changes:
            if change.startswith("start=") and float(change[6:]) != self.values.get(SERIES["start"]):
                self.values = dict.fromkeys(self.values, 0.0)  # a new process counts from zero
            name, sign, amount = re.fullmatch(r"([\w.@]+)([+=])(.+)", change).groups()  # type: ignore[union-attr]
            metric, labels = SERIES.get(name, (name, ()))
            key = (metric, tuple(labels))
            self.values[key] = (self.values.get(key, 0.0) if sign == "+" else 0.0) + float(amount)
            model = dict(self.labels).get("model", "m")
            self.series.setdefault(key, Series(metric, make([*labels, ("model_name", model)])))
        return Samples(list(self.series.values()), list(self.values.values()))


@dataclass
class Script:
    """Runs one scenario in a world."""

    world: World
    specs: dict[str, str] = field(default_factory=dict)
    pages: list[tuple[float, str, Any]] = field(default_factory=list)
    targets: dict[str, Target] = field(default_factory=dict)
    intervals: dict[str, float] = field(default_factory=dict)
    leading: bool = False

    def run(self, text: str) -> list[str] | None:
        """Runs up to `events`; returns the lines after it, None where there is none."""
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        at = lines.index("events") if "events" in lines else len(lines)
        for line in lines[:at]:
            verb, _, rest = line.partition(" ")
            getattr(self, f"_{verb}")(rest)
        return lines[at + 1 :] if at < len(lines) else None

    def _slo(self, rest: str) -> None:
        head, _, indicator = rest.partition(": ")
        head, _, exclude = head.partition(" except ")
        name, target = head.split()
        text = slo_text(name, target, indicator)
        if exclude:
            text = text.replace("annotations: {", f'annotations: {{burnline/exclude: "{exclude}", ')
        self.specs[name] = text

    def _use(self, rest: str) -> None:
        self._slo(rest)
        self.world.slos = self.world.read(*self.specs.values())
        self.world.engine.use(self.world.slos)

    def _drop(self, rest: str) -> None:
        del self.specs[rest]
        self.world.slos = self.world.read(*self.specs.values()) if self.specs else ()
        self.world.engine.use(self.world.slos)

    def _restart(self, _rest: str) -> None:
        self.world.lead()

    def _count(self, rest: str) -> None:
        head, _, amounts = rest.partition(": ")
        span, group, *shape = head.split()
        begin, end = (int(seconds(time)) for time in span.split("-"))
        options = dict(option.partition("=")[::2] for option in shape)
        layer = options.get("layer", "engine")
        found: dict[tuple[Measure, Any], dict[int, int]] = {}
        words = amounts.split()
        for name, n in zip(words[::2], words[1::2], strict=True):
            measure, cell = measure_of(name, layer)
            found.setdefault((measure, pairs(group)), {})[cell] = int(n)
        coverage = None if options.get("coverage") == "none" else float(options.get("coverage", "1"))
        self.world.count(
            range(begin, end, 60),
            found,
            options.get("source", f"{layer} {group}"),
            layer,
            coverage,
            spread="spread" in options,
        )

    def _scrape(self, rest: str) -> None:
        head, _, changes = rest.partition(": ")
        name, span, _, interval, *labels = head.split()
        target = self.targets.setdefault(name, Target(name))
        target.labels = pairs(labels[0]) if labels else target.labels
        self.intervals.setdefault(name, float(interval))
        for time in _times(span, float(interval)):
            self.pages.append((time, name, (target.labels, changes.split())))

    def _silent(self, rest: str) -> None:
        name, span, _, interval = rest.split()
        self.pages += [(time, name, None) for time in _times(span, float(interval))]

    def _maintenance(self, rest: str) -> None:
        span, matchers = rest.split(maxsplit=1)
        begin, end = (seconds(time) for time in span.split("-"))
        when = Recurrence(datetime.fromtimestamp(begin, UTC).replace(tzinfo=None), "UTC", end - begin)
        now = self.world.clock.now()
        maintenance.add(self.world.db, parse_matchers(matchers), when, "planned", "ann", now)

    def _leave(self, rest: str) -> None:
        name, time = rest.split()
        self.pages.append((seconds(time), name, "leave"))

    def _tick(self, rest: str) -> None:
        span, *every = rest.split()
        step = float(every[1]) if every else 60.0
        begin, _, end = span.partition("-")
        if not self.leading:
            self.world.clock.set(seconds(begin))
            self.world.lead(*self.specs.values())
            self.leading = True
            self.pages.sort(key=lambda page: page[0])
        moment = seconds(begin)
        while moment <= seconds(end or begin):
            self._feed(moment)
            self.world.tick(int(moment))
            moment += step

    def _feed(self, until: float) -> None:
        replayer = self.world.replayer
        assert replayer is not None
        while self.pages and self.pages[0][0] <= until:
            time, name, what = self.pages.pop(0)
            url = f"http://{name}"
            if what == "leave":
                replayer.counters[url].counter.left(time)
                replayer.health[url].left_at = time
                continue
            page = self.targets[name].page(what[1]) if what else None
            labels = what[0] if what else ()
            reader = replayer.counters.get(url)
            if what and reader is not None and reader.labels != labels:
                reader.recount(labels, replayer.counting)
            replayer.feed(TimedPage(url, "job", labels, time, page), self.intervals.get(name, 15.0), time)
        if replayer.counters:
            replayer.flush(until, until)

    def _expect(self, rest: str) -> None:
        head, _, wanted = rest.partition(": ")
        name, _, group = head.rstrip("}").partition("{")
        row = self.world.status(name, **dict(pairs(group)))
        for word in shlex.split(wanted):
            key, sign, value = re.fullmatch(r"([\w.]+)([=~])(.*)", word).groups()  # type: ignore[union-attr]
            found: Any = row
            for part in key.split("."):
                found = found[part]
            if sign == "~":
                assert value in str(found), (rest, row)
            else:
                assert same(found, value), (rest, row)


def same(found: Any, wanted: str) -> bool:
    """Whether a value of the status is what a script writes; numbers to 6 digits, null is None."""
    if wanted == "null":
        return found is None
    if isinstance(found, int | float):
        return abs(found - float(wanted)) <= 1e-6 * max(1.0, abs(found))
    return bool(found == wanted)


def _times(span: str, interval: float) -> Iterable[float]:
    begin, end = (seconds(time) for time in span.split("-"))
    at = begin
    while at < end:
        yield at
        at += interval
