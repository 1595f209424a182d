from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.exposition import PageReader, Series
from collector.layout_build import LayoutBuilder
from collector.layouts import LayoutKeeper, narrowed
from collector.profiles import Profile
from collector.profiles.identify import recognise
from core.labels import Labels
from storage.plan import MeasurePlan, SelectorMeasure
from tests.collector.pages import DCGM, DIMENSIONS, VLLM

PLAN = MeasurePlan(
    selectors=(
        SelectorMeasure(selector='vllm:request_success_total{finished_reason=~"stop|length"}', by=("region",)),
        SelectorMeasure(selector='{adapter="a1"}', kind="gauge", bounds=(1.0,)),
        SelectorMeasure(selector="vllm:time_to_first_token_seconds", kind="histogram"),
    )
)
ADAPTERS = "".join(f'vllm:lora_requests_info{{adapter="a{n}"}} {n}\n' for n in range(4))
SERIES = PageReader().read((VLLM + ADAPTERS).encode(), "text/plain").series
FOREIGN = PageReader().read(DCGM.encode(), "text/plain").series


class Raw(NamedTuple):
    """A series that is made anew for every page."""

    name: str
    labels: Labels


def builder(plan: MeasurePlan, profile: Profile | None) -> LayoutBuilder:
    return LayoutBuilder(profile, {"region": "eu"}, DIMENSIONS, plan)


def keeper(plan: MeasurePlan) -> LayoutKeeper:
    return LayoutKeeper(lambda profile: builder(plan, profile), signals=True)


def require_as_built(kept: LayoutKeeper, plan: MeasurePlan, series: list[Series] | list[Raw]) -> None:
    profile = recognise(one.name for one in series)[0]
    built, fit = builder(plan, profile).build(series), kept.fit(series)
    assert fit.profile is profile
    assert fit.layout == narrowed(built, fit.places)
    values = np.arange(len(series), dtype=np.float64)
    assert fit.layout.columns.read(fit.values(values)) == built.columns.read(values)
    assert list(fit.layout.read_gauges(fit.values(values), 1e9)) == list(built.read_gauges(values, 1e9))


@st.composite
def sequences(draw: st.DrawFn) -> list[list[Series]]:
    """Pages of one target: series come, go, move, stand twice; an engine's page may turn into another exporter's."""
    page = list(SERIES)
    pages = [page]
    for _ in range(draw(st.integers(1, 5))):
        page = list(page)
        for _ in range(draw(st.integers(0, 3))):
            if page and draw(st.booleans()):
                del page[draw(st.integers(0, len(page) - 1))]
            place = draw(st.integers(0, len(page)))
            page.insert(place, draw(st.sampled_from([*SERIES, *FOREIGN, *SERIES[-4:]])))
        pages.append(draw(st.sampled_from([page, page[::-1], page[: len(page) // 2], list(FOREIGN)])))
    return pages


@settings(deadline=None)  # the first example reads the profiles
@given(sequences(), st.sampled_from([MeasurePlan(), PLAN, MeasurePlan(selectors=PLAN.selectors[:1])]))
def test_a_kept_layout_is_the_one_built_from_scratch(pages: list[list[Series]], plan: MeasurePlan) -> None:
    kept = keeper(plan)
    for page in pages:
        require_as_built(kept, plan, page)


@given(sequences())
def test_series_that_are_made_anew_for_every_page_are_the_same_by_what_they_say(pages: list[list[Series]]) -> None:
    kept = keeper(PLAN)
    for page in pages:
        require_as_built(kept, PLAN, [Raw(one.name, one.labels) for one in page])


def test_series_that_feed_nothing_come_and_go_without_a_new_layout() -> None:
    kept = keeper(MeasurePlan())
    first = kept.fit(SERIES)
    fewer = [*SERIES[-1:], *SERIES[:-3]]
    assert kept.fit(fewer).layout is first.layout
    assert kept.fit(fewer).places.tolist() == [place + 1 for place in first.places.tolist()]


def test_a_histogram_that_loses_a_bucket_is_laid_out_anew() -> None:
    kept = keeper(MeasurePlan())
    first = kept.fit(SERIES)
    without = [one for one in SERIES if ("le", "0.5") not in one.labels]
    assert kept.fit(without).layout != first.layout
    require_as_built(kept, MeasurePlan(), without)
