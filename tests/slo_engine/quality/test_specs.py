"""SLOs over judged samples, as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.specs.model import EventRatio, Problem, Slo
from slo_engine.specs.openslo import load
from tests.slo_engine.world import ratio, spec, threshold

FLAGGED = 'signal: judged, where: \'detector="pii",verdict="flagged"\', by: [model]'
CLEAR = 'signal: judged, where: \'detector="pii",verdict="clear"\', by: [model]'
ALL = "signal: judged, where: 'detector=\"pii\"', by: [model]"
GOODPUT = ratio("signal: goodput, where: 'outcome=\"good\"', by: [model]", "signal: goodput, by: [model]")


def read(folder: Path, text: str) -> tuple[tuple[Slo, ...], tuple[Problem, ...]]:
    path = folder / "slo.yaml"
    path.write_text(text)
    found = load([path])
    return found.slos, found.problems


def sampled_slo(page: str | None = None, indicator: str = ratio(FLAGGED, ALL, "bad")) -> str:
    text = spec(indicator, name="quality")
    return text.replace('burnline/page: "true", ', f'burnline/page: "{page}", ' if page else "")


def test_an_slo_over_verdicts_is_sampled_and_does_not_page(tmp_path: Path) -> None:
    (one,), problems = read(tmp_path, sampled_slo())
    assert problems == ()
    assert one.sampled
    assert (one.alerting.page, one.alerting.ticket) == (False, True)


def test_a_total_without_a_verdict_is_what_says_something(tmp_path: Path) -> None:
    (one,), _ = read(tmp_path, sampled_slo())
    assert isinstance(one.indicator, EventRatio)
    assert 'verdict=~"flagged|clear"' in [str(matcher) for matcher in one.indicator.total.where]  # type: ignore[union-attr] # it is a signal


def test_an_explicit_page_is_an_error_at_its_line(tmp_path: Path) -> None:
    slos, problems = read(tmp_path, sampled_slo(page="true"))
    assert [problem.line for problem in problems] == [5]
    assert "a sampled SLO never pages" in problems[0].message
    assert slos == ()
    assert read(tmp_path, sampled_slo(page="false"))[1] == ()


def test_what_is_counted_on_every_event_is_not_sampled(tmp_path: Path) -> None:
    (one,), problems = read(tmp_path, spec(GOODPUT))
    assert problems == ()
    assert not one.sampled
    assert one.alerting.page


@pytest.mark.parametrize(
    ("indicator", "message"),
    [
        (ratio("signal: judged, where: 'verdict=\"flagged\"'", "signal: judged", "bad"), "name the detector"),
        (ratio(ALL, ALL, "bad"), "bad must be verdict=~'flagged', not 'clear|flagged'"),
        (ratio(CLEAR, ALL, "bad"), "bad must be verdict=~'flagged', not 'clear'"),
        (ratio(FLAGGED, ALL), "good must be verdict=~'clear', not 'flagged'"),
        (ratio(FLAGGED, FLAGGED, "bad"), "total must be verdict=~'clear|flagged', not 'flagged'"),
        (ratio(FLAGGED, ALL.replace("pii", "secrets"), "bad"), "must be narrowed alike but for verdict"),
        (ratio(FLAGGED, "signal: requests, by: [model]", "bad"), "bad is sampled: every part of the ratio must be"),
        (ratio("signal: requests, by: [model]", ALL, "bad"), "total is sampled: every part of the ratio must be"),
        (threshold("signal: judged, rate: true"), "a sampled signal is no amount"),
        (threshold("signal: generations, per: judged"), "a sampled signal is no amount"),
    ],
)
def test_what_is_no_share_of_verdicts_is_refused(tmp_path: Path, indicator: str, message: str) -> None:
    text = spec(indicator, name="quality")
    if "thresholdMetric" in indicator:
        text = spec(indicator, 0 if "per" in indicator else 99, name="quality", at_most=1)
    slos, problems = read(tmp_path, text.replace('burnline/page: "true", ', ""))
    assert slos == ()
    assert any(message in problem.message for problem in problems), problems


def test_both_ways_to_write_it_are_read(tmp_path: Path) -> None:
    for indicator in (ratio(FLAGGED, ALL, "bad"), ratio(CLEAR, ALL)):
        (one,), problems = read(tmp_path, sampled_slo(indicator=indicator))
        assert problems == ()
        assert one.sampled


def test_a_signal_without_an_outcome_says_which_have_one(tmp_path: Path) -> None:
    bad = ratio("signal: retries, where: 'outcome=\"good\"'", "signal: requests", "bad")
    (problem, *_) = read(tmp_path, spec(bad))[1]
    assert "retries has no outcome: only requests, goodput and generations have" in problem.message
