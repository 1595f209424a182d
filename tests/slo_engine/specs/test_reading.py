"""From text to the neutral model, and what Burnline's own metric source may say."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from pathlib import Path
from textwrap import indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.durations import DAY
from core.matchers import Matcher, parse_selector
from core.yaml import Document, load_text
from slo_engine.specs import load
from slo_engine.specs.indicators import exact
from slo_engine.specs.model import (
    Alerting,
    Calendar,
    Catalogue,
    Component,
    Composite,
    EventRatio,
    GaugeThreshold,
    Latency,
    RateSlices,
    SelectorMetric,
    SignalMetric,
    Slo,
    SumRatio,
    TimeSlices,
    While,
)
from slo_engine.specs.openslo import read

COUNTED = Matcher("outcome", "!=", "excluded")
GOOD = Matcher("outcome", "=", "good")


def ratio(good: str, total: str, part: str = "good", extra: str = "") -> str:
    metrics = "".join(
        f"  {key}:\n    metricSource:\n      type: burnline\n      spec: {spec}\n"
        for key, spec in ((part, good), ("total", total))
    )
    return f"ratioMetric:\n{extra}{metrics}"


def threshold(spec: str) -> str:
    return f"thresholdMetric:\n  metricSource:\n    type: burnline\n    spec: {spec}\n"


def slo_text(sli: str, objective: str = "targetPercent: 99", window: str = "30d", **changes: str) -> str:
    text = f"""\
apiVersion: openslo/v1
kind: SLO
metadata:
  name: promise
  annotations:
    team: serving
spec:
  service: llm
  indicator:
    metadata: {{name: sli}}
    spec:
      description: what is counted
{indent(sli, "      ")}
  timeWindow:
    - duration: {window}
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - {{{objective}}}
"""
    for old, new in changes.items():
        text = text.replace(f"{old}: ", f"{old}: {new}", 1)
    return text


def catalogue(text: str) -> Catalogue:
    return read(load_text(text, "a.yaml"))


def slo(text: str) -> Slo:
    result = catalogue(text)
    assert not result.problems
    (one,) = result.slos
    return one


def fault(text: str) -> tuple[int, str]:
    """Line and message of the only problem; nothing is measured then."""
    result = catalogue(text)
    (problem,) = result.problems
    assert result.slos == ()
    return problem.line, problem.message


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_an_event_ratio_counts_good_among_all_that_is_not_excluded() -> None:
    one = slo(
        slo_text(
            ratio("""{signal: requests, where: 'outcome="good"', by: [model]}""", "{signal: requests, by: [model]}")
        )
    )
    assert one.indicator == EventRatio(
        total=SignalMetric("requests", (COUNTED,), ("model",)), good=SignalMetric("requests", (GOOD,), ("model",))
    )
    assert (one.name, one.group, one.service, one.description) == ("promise", "promise", "llm", "what is counted")
    assert (one.objective, one.objective_exact, one.budget) == (0.99, Fraction(99, 100), Fraction(1, 100))
    assert (one.window_seconds, one.by, one.threshold, one.op) == (30 * DAY, ("model",), None, None)
    assert (one.alerting, one.unsupported, one.notes) == (Alerting(page=True, ticket=True), None, ())
    assert one.annotations == {"team": "serving"}
    assert (one.source.file, one.source.line) == ("a.yaml", 28)


def test_truncated_is_requests_that_ended_at_their_length() -> None:
    one = slo(slo_text(ratio("{signal: truncated, layer: engine}", "{signal: requests, layer: engine}", part="bad")))
    assert isinstance(one.indicator, EventRatio)
    assert one.indicator.bad == SignalMetric("requests", (Matcher("reason", "=", "length"), COUNTED), (), "engine")
    assert one.indicator.good is None


def test_selectors_are_counted_as_they_are() -> None:
    one = slo(slo_text(ratio("{selector: 'ok_total{a=\"b\"}', by: [pod]}", "{selector: all_total, by: [pod]}")))
    assert one.indicator == EventRatio(
        total=SelectorMetric(parse_selector("all_total"), ("pod",)),
        good=SelectorMetric(parse_selector('ok_total{a="b"}'), ("pod",)),
    )
    assert one.by == ("pod",)


def test_a_duration_signal_or_a_histogram_selector_gives_a_latency() -> None:
    objective = "op: lte, value: 0.5, target: 0.99"
    one = slo(slo_text(threshold("""{signal: ttft, where: 'model=~"a|b"', by: [model]}"""), objective))
    assert one.indicator == Latency(SignalMetric("ttft", (Matcher("model", "=~", "a|b"),), ("model",)), 0.5)
    assert (one.threshold, one.op) == (0.5, "lte")
    raw = slo(slo_text(threshold("{selector: http_seconds}"), objective))
    assert raw.indicator == Latency(SelectorMetric(parse_selector("http_seconds")), 0.5)


@pytest.mark.parametrize("op", ["lt", "lte", "gt", "gte"])
def test_a_gauge_takes_any_comparison(op: str) -> None:
    one = slo(slo_text(threshold("{signal: gpu_memory}"), f"op: {op}, value: 0.85, target: 0.99"))
    assert one.indicator == GaugeThreshold(SignalMetric("gpu_memory"), op, 0.85)  # type: ignore[arg-type] # a parameter


def test_a_rate_counts_minutes_in_which_its_condition_holds() -> None:
    spec = "{signal: generation_tokens, rate: true, while: 'queue_depth > 0', by: [model]}"
    one = slo(slo_text(threshold(spec), "op: gte, value: 1000, target: 0.95"))
    assert one.indicator == RateSlices(
        SignalMetric("generation_tokens", (), ("model",)), "gte", 1000.0, While("queue_depth", "gt", 0.0)
    )


def test_a_sum_allows_dollars_for_tokens_in_ledger_units() -> None:
    one = slo(
        slo_text(
            threshold("{signal: cost, per: generation_tokens, scale: 1000, by: [model]}"),
            "op: lte, value: 0.5, target: 0",
        )
    )
    cost, tokens = SignalMetric("cost", (), ("model",)), SignalMetric("generation_tokens", (), ("model",))
    # $0.50 for 1000 tokens are 500,000 micro-dollars for 1000 tokens.
    assert one.indicator == SumRatio(cost, tokens, 1000, Fraction(500))
    assert one.by == ("model",)


LTE = "op: lte, value: 0.5, target: 0.99"
GOOD_SPEC, ALL_SPEC = """{signal: requests, where: 'outcome="good"'}""", "{signal: requests}"

FAULTS = [
    (threshold("{signal: tfft}"), LTE, "tfft", "'tfft' is not a signal; did you mean 'ttft'?"),
    (threshold("{by: [model]}"), LTE, "spec: {by", "exactly one of signal and selector"),
    (threshold("{signal: ttft, selector: x}"), LTE, "spec: {sig", "exactly one of signal and selector: both"),
    (threshold("{signal: ttft, were: 'a=\"b\"'}"), LTE, "were", "unknown key 'were'; did you mean 'where'?"),
    (threshold("{signal: ttft, where: 'a=~\"(\"'}"), LTE, "where", "is not an RE2 expression"),
    (threshold("{signal: ttft, where: 'a'}"), LTE, "where", "expected one of"),
    (threshold("{signal: ttft, where: 'outcome=\"good\"'}"), LTE, "where", "ttft has no outcome"),
    (threshold("{signal: ttft, layer: gatway}"), LTE, "gatway", "did you mean 'gateway'?"),
    (threshold("{signal: ttft, by: model}"), LTE, "by", "must be a list"),
    (threshold("{signal: ttft, by: [model, model]}"), LTE, "by", "names a label twice"),
    (threshold("{signal: ttft, by: [my-model]}"), LTE, "by", "'my-model' is not a label name"),
    (threshold("{signal: ttft, rate: true}"), LTE, "thresholdMetric", "rate and per need a counter, not a histogram"),
    (threshold("{signal: ttft, while: 'queue_depth>0'}"), LTE, "while", "needs rate: true"),
    (threshold("{signal: cost, scale: 5}"), LTE, "scale", "needs per"),
    (threshold("{signal: cost, per: ttft}"), LTE, "thresholdMetric", "per needs a counter, not a histogram"),
    (threshold("{signal: cost, per: requests, scale: 0}"), LTE, "scale", "a whole number from 1"),
    (threshold("{signal: cost, per: requests}"), LTE, "{op", "target: must be 0 with per"),
    (threshold("{signal: cost, per: requests}"), "op: gt, value: 1, target: 0", "{op", "at most what is allowed"),
    (threshold("{signal: requests}"), LTE, "thresholdMetric", "a counter has no threshold"),
    (threshold("{signal: prompt_tokens, rate: true, while: 'queue>0'}"), LTE, "while", "did you mean 'queue_depth'?"),
    (threshold("{signal: prompt_tokens, rate: true, while: 'busy'}"), LTE, "while", "is not a condition"),
    (threshold("{selector: 'rate(x[5m])'}"), LTE, "selector", "no function, range or offset"),
    (threshold("{selector: x, where: 'a=\"b\"'}"), LTE, "where", "goes with signal"),
    (threshold("{selector: x_bucket}"), LTE, "thresholdMetric", "'x', without _bucket"),
    (threshold("{selector: 'x{le=\"1\"}'}"), LTE, "thresholdMetric", "leave out the matcher on le"),
    (threshold("{signal: ttft}"), "op: lt, value: 0.5, target: 0.9", "{op", "write lte, not lt"),
    (threshold("{signal: ttft}"), "op: lte, value: 0, target: 0.9", "{op", "must be above 0"),
    (threshold("{signal: gpu_memory}"), "op: lte, value: 85, target: 0.9", "{op", "write 85 % as 0.85"),
    (
        ratio("{signal: requests, where: 'outcome=\"godd\"'}", ALL_SPEC),
        "target: 0",
        "spec: {sig",
        "did you mean 'good'?",
    ),
    (ratio("{signal: ttft}", ALL_SPEC), "target: 0", "good:", "ttft is a histogram, not a counter"),
    (ratio("{signal: requests, rate: true}", ALL_SPEC), "target: 0", "good:", "belong to a thresholdMetric"),
    (
        ratio("{signal: requests, by: [model]}", ALL_SPEC),
        "target: 0",
        "ratioMetric",
        "good and total must have the same by",
    ),
    (ratio("{signal: requests, layer: engine}", ALL_SPEC), "target: 0", "ratioMetric", "must name the same layer"),
    (
        ratio(GOOD_SPEC, ALL_SPEC, extra="  counter: false\n"),
        "target: 0",
        "counter",
        "write true, or leave the key out",
    ),
    (
        ratio(GOOD_SPEC, ALL_SPEC).replace("type: burnline", "type: prometheus", 1),
        "target: 0",
        "ratioMetric",
        "good must have type burnline too",
    ),
]


@pytest.mark.parametrize(("sli", "objective", "at", "message"), FAULTS)
def test_a_source_that_cannot_be_measured_is_refused_at_its_line(
    sli: str, objective: str, at: str, message: str
) -> None:
    text = slo_text(sli, objective)
    line, found = fault(text)
    assert message in found
    assert line == line_of(text, at)


def test_a_standing_sli_is_checked_even_when_nothing_uses_it() -> None:
    text = "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: x}\nspec:\n" + indent(threshold("{signal: tfft}"), "  ")
    assert fault(text)[0] == 8


def test_an_sli_behind_a_reference_is_measured_and_its_objective_checked() -> None:
    sli = "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: first}\nspec:\n" + indent(
        threshold("{signal: ttft}"), "  "
    )
    frame = slo_text("", LTE)
    start, end = frame.index("  indicator:"), frame.index("  timeWindow:")
    text = frame[:start] + "  indicatorRef: first\n" + frame[end:]
    assert slo(text + "---\n" + sli).indicator == Latency(SignalMetric("ttft"), 0.5)
    assert "op and value are required" in fault(text.replace(LTE, "target: 0.9") + "---\n" + sli)[1]
    counted = sli[: sli.index("  threshold")] + indent(ratio(GOOD_SPEC, ALL_SPEC), "  ")
    found = catalogue(text + "---\n" + counted).problems
    assert [p.message.split(":")[0] for p in found] == ["spec.objectives[0].op", "spec.objectives[0].value"]


UNSUPPORTED = [
    ("type: burnline", "type: datadog", "metric sources of type 'datadog' are served by a later version"),
    ("type: burnline", "type: prometheus", "signal and where is not served beside query, by, server"),
    ("      type: burnline\n", "", "metric sources without a type are served by a later version"),
    ("isRolling: true", "calendar: {startTime: 1969-12-31 00:00:00, timeZone: UTC}", "a startTime from 1970"),
    ("30d", "59m", "windows of less than 1h are not served"),
    ("30d", "2Y", "windows of more than 400d are not served"),
]


@pytest.mark.parametrize(("old", "new", "reason"), UNSUPPORTED)
def test_what_is_valid_but_not_served_says_so(old: str, new: str, reason: str) -> None:
    sli = ratio(GOOD_SPEC, ALL_SPEC)
    text = slo_text(sli, "target: 0.9, timeSliceWindow: 1m, timeSliceTarget: 0.9").replace(old, new)
    assert reason in (slo(text).unsupported or "")


SLICED = "timeSliceWindow: 5m, timeSliceTarget: 0.95, target: 0.99"


@pytest.mark.parametrize(
    ("sli", "objective"),
    [
        (ratio(GOOD_SPEC, ALL_SPEC), SLICED),
        (threshold("{signal: ttft}"), f"op: lte, value: 0.5, {SLICED}"),
        (threshold("{signal: gpu_memory}"), f"op: lt, value: 0.5, {SLICED}"),
        (threshold("{signal: generation_tokens, rate: true}"), f"op: gte, value: 10, {SLICED}"),
    ],
)
def test_every_sli_can_be_kept_in_time_slices(sli: str, objective: str) -> None:
    plain = slo(slo_text(sli, objective)).indicator
    assert not isinstance(plain, TimeSlices)
    assert plain
    text = slo_text(sli, objective)
    whole = slo(text.replace("Occurrences", "Timeslices"))
    assert (whole.indicator, whole.unsupported) == (TimeSlices(plain, 300, Fraction(95, 100)), None)
    shared = slo(text.replace("Occurrences", "RatioTimeslices"))
    assert (shared.indicator, shared.unsupported) == (TimeSlices(plain, 300, None), None)


def test_a_price_in_time_slices_has_a_target_of_slices_and_none_within_them() -> None:
    cost = threshold("{signal: cost, per: generation_tokens, scale: 1000}")
    text = slo_text(cost, "op: lte, value: 0.5, target: 0.9, timeSliceWindow: 5m, timeSliceTarget: 1")
    found = slo(text.replace("Occurrences", "Timeslices"))
    assert isinstance(found.indicator, TimeSlices)
    assert (type(found.counted), found.objective) == (SumRatio, 0.9)
    shared = slo(text.replace("Occurrences", "RatioTimeslices"))
    assert "a price has no share of good events" in (shared.unsupported or "")
    wrong = text.replace("timeSliceTarget: 1", "timeSliceTarget: 0.9").replace("Occurrences", "Timeslices")
    assert "must be 1 with per" in fault(wrong)[1]


@pytest.mark.parametrize(
    ("window", "reason"),
    [("0m", "from 1m to 1d"), ("25h", "from 1m to 1d"), ("2d", "from 1m to 1d"), ("1d", "shorter than the window")],
)
def test_time_slices_that_cannot_be_judged_say_why(window: str, reason: str) -> None:
    text = slo_text(ratio(GOOD_SPEC, ALL_SPEC), f"timeSliceWindow: {window}, target: 0.99", window="1d")
    assert reason in (slo(text.replace("Occurrences", "RatioTimeslices")).unsupported or "")


def test_a_calendar_window_keeps_its_start_its_zone_and_its_unit() -> None:
    text = slo_text(threshold("{signal: ttft}"), LTE, window="1Q").replace(
        "isRolling: true", "calendar: {startTime: 2026-01-01 06:00:00, timeZone: Europe/Warsaw}"
    )
    one = slo(text)
    assert one.calendar == Calendar(datetime.fromisoformat("2026-01-01 06:00"), "Europe/Warsaw", 1, "Q")
    assert (one.window_seconds, one.unsupported) == (90 * DAY, None)


def _composite(objective: str, method: str = "Occurrences") -> str:
    frame = slo_text("", f"target: 0.9, indicatorRef: x, {objective}")
    start, end = frame.index("  indicator:"), frame.index("  timeWindow:")
    sli = "apiVersion: openslo/v1\nkind: SLI\nmetadata: {name: x}\nspec:\n" + indent(
        threshold("{signal: kv_cache}"), "  "
    )
    return (frame[:start] + frame[end:]).replace("Occurrences", method) + "---\n" + sli


def test_a_composite_is_read_as_itself_and_its_components_which_alert_with_nothing() -> None:
    text = _composite("op: lt, value: 0.5, displayName: Cache, compositeWeight: 0.5")
    whole, part = catalogue(text).slos
    assert (whole.name, part.name, part.group) == ("promise", "promise-cache", "promise")
    assert whole.indicator == Composite((Component("promise-cache", Fraction(1, 2), Fraction(9, 10)),))
    assert (whole.unsupported, whole.counted, whole.by) == (None, None, part.by)
    assert (whole.alerting.page, part.alerting.page, part.alerting.ticket) == (True, False, False)


def test_a_dependency_is_that_of_the_composite_and_not_of_its_components() -> None:
    text = _composite("op: lt, value: 0.5").replace("team: serving", "burnline/depends-on: engine")
    assert [one.depends_on for one in catalogue(text).slos] == [("engine",), ()]


def test_a_composite_has_no_budget_policy() -> None:
    text = _composite("op: lt, value: 0.5").replace("team: serving", "burnline/budget-policy: 'ticket below 25%'")
    assert any("a composite has no budget policy" in problem.message for problem in catalogue(text).problems)


def test_a_weight_that_is_not_written_is_one() -> None:
    whole = catalogue(_composite("op: lt, value: 0.5")).slos[0]
    assert isinstance(whole.indicator, Composite)
    assert [(part.slo, part.weight) for part in whole.indicator.parts] == [("promise-0", 1)]


def test_composites_over_time_slices_are_valid_but_not_served() -> None:
    text = _composite("op: lt, value: 0.5, timeSliceTarget: 0.9, timeSliceWindow: 1m", "Timeslices")
    reasons = {one.unsupported for one in catalogue(text).slos}
    assert reasons == {
        "composite SLOs over time slices are served by a later version: write budgetingMethod Occurrences"
    }


def test_several_objectives_give_an_slo_each_named_after_its_display_name_or_index() -> None:
    text = slo_text(threshold("{signal: ttft}"), LTE).replace(
        f"    - {{{LTE}}}",
        "".join(
            f"    - {{{LTE}{name}}}\n"
            for name in (", displayName: 'Very Fast!'", "", ", displayName: x", ", displayName: X")
        ),
    )
    result = catalogue(text)
    assert [one.name for one in result.slos] == ["promise-very-fast", "promise-1", "promise-2", "promise-3"]
    assert {one.group for one in result.slos} == {"promise"}
    assert [one.source.line for one in result.slos] == [23, 24, 25, 26]


def test_an_objective_may_not_take_the_name_of_another_slo() -> None:
    two = slo_text(threshold("{signal: ttft}"), LTE).replace(f"- {{{LTE}}}", f"- {{{LTE}}}\n    - {{{LTE}}}")
    other = slo_text(threshold("{signal: ttft}"), LTE).replace("name: promise", "name: promise-1")
    (problem,) = catalogue(two + "---\n" + other).problems
    assert "'promise-1' is taken by a.yaml:24" in problem.message


def test_an_slo_that_should_be_measured_needs_an_objective() -> None:
    text = slo_text(threshold("{signal: ttft}"), LTE).replace(f"objectives:\n    - {{{LTE}}}", "objectives: []")
    assert "needs an objective" in fault(text)[1]


def test_annotations_choose_what_an_slo_alerts_with() -> None:
    text = slo_text(threshold("{signal: ttft}"), LTE).replace(
        "team: serving",
        'burnline/page: "false"\n    burnline/enabled: "false"\n    burnline/runbook: https://runbooks.example/ttft',
    )
    assert slo(text).alerting == Alerting(
        enabled=False, page=False, ticket=True, runbook="https://runbooks.example/ttft"
    )


def test_a_broken_object_does_not_hide_the_sound_ones(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(slo_text(threshold("{signal: ttft}"), LTE))
    (tmp_path / "bad.yaml").write_text(slo_text(threshold("{signal: ttft}"), "target: 2").replace("promise", "other"))
    result = load([tmp_path])
    assert [one.name for one in result.slos] == ["promise"]
    assert {Path(problem.file).name for problem in result.problems} == {"bad.yaml"}


@given(st.decimals(min_value=0, max_value="99.999999999999", places=12))
def test_targets_are_exactly_the_decimal_that_was_written(percent: object) -> None:
    one = slo(slo_text(threshold("{signal: ttft}"), f"op: lte, value: 1, targetPercent: {percent:f}"))
    assert one.objective_exact == Fraction(str(percent)) / 100


def test_three_nines_leave_a_budget_of_exactly_a_thousandth() -> None:
    assert 1 - exact(99.9) / 100 == Fraction(1, 1000)
    assert 1 - exact(0.999) == Fraction(1, 1000)


@given(st.integers(1, 13), st.sampled_from(["d", "w", "M"]))
def test_windows_are_seconds(count: int, unit: str) -> None:
    days = {"d": 1, "w": 7, "M": 30}[unit] * count
    assert slo(slo_text(threshold("{signal: ttft}"), LTE, window=f"{count}{unit}")).window_seconds == days * DAY


@given(st.text(max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    block = "\n".join("  " + line for line in repr(text).splitlines())
    catalogue(f"apiVersion: openslo/v1\nkind: SLO\nmetadata: {{}}\nspec:\n  service: |\n  {block}\n")


_KEYS = (
    "metadata spec name service indicator indicatorRef thresholdMetric ratioMetric metricSource type signal by good",
    "total timeWindow objectives target op value duration alertPolicies conditions labels annotations",
)
_LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "burnline", "SLO", "30d", "ttft"])
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(" ".join(_KEYS).split()), inner, max_size=5)
    ),
    max_leaves=30,
)


@given(_JSON)
def test_no_shape_makes_the_reader_fail_and_a_wrong_one_is_always_reported(spec: object) -> None:
    for kind in ("SLO", "SLI", "AlertPolicy"):
        result = read(
            [Document("a", {"apiVersion": "openslo/v1", "kind": kind, "metadata": spec, "spec": spec}, {(): 1})]
        )
        assert result.problems
