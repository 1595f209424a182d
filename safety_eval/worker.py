"""One evaluator's work, step by step: lease, open, score, commit. Each step can be the last one before a crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.clock import Clock
from core.errors import ParseError
from core.texts import TextCipher
from safety_eval import engine
from safety_eval.counting import Counter, Judged
from safety_eval.detectors.port import Detector, Item, Verdict, failed
from safety_eval.keeping import EXPIRED as TEXT_EXPIRED
from safety_eval.keeping import PURPOSE, UNREAD, Fate, Keeper
from safety_eval.metrics import EvaluatorMetrics
from safety_eval.settings import EvaluatorSettings
from storage import kept_texts, samples
from storage.database import Database
from storage.kept_texts import KeptText
from storage.samples import Sample
from storage.scores import Score

MOST_ATTEMPTS = 3
"""Leases without a verdict after which a sample fails: it has probably killed its evaluators each time."""

NO_TEXT = "the span carried no text"
EXPIRED = "expired before it was scored"
GIVEN_UP = f"given up after {MOST_ATTEMPTS} attempts"


class Tools(NamedTuple):
    """What a worker works with."""

    database: Database
    cipher: TextCipher
    clock: Clock
    metrics: EvaluatorMetrics


class Worker:
    """Works on samples as one holder. Used by one thread at a time, but for `renew`."""

    def __init__(
        self, tools: Tools, settings: EvaluatorSettings, detectors: Sequence[Detector], holder: str, group_cap: int
    ) -> None:
        self._tools = tools
        self._settings = settings
        self._detectors = detectors
        self._holder = holder
        self._counter = Counter(tools.database, holder, group_cap)
        self._keeper = Keeper(settings.keep.policy, tools.cipher.derive(PURPOSE), detectors)

    def lease(self) -> list[Sample]:
        """The next samples, held until the lease ends or is renewed."""
        tools = self._tools
        return samples.lease(
            tools.database, self._holder, tools.clock.now(), self._settings.lease_ttl, self._settings.batch
        )

    def renew(self, held: Sequence[Sample]) -> None:
        """Keep samples for another lease."""
        tools = self._tools
        samples.renew(
            tools.database, self._holder, [one.id for one in held], tools.clock.now(), self._settings.lease_ttl
        )

    def take_expired(self) -> list[Sample]:
        """Samples that nobody scored in time."""
        tools = self._tools
        return samples.take_expired(
            tools.database, self._holder, tools.clock.now(), self._settings.lease_ttl, self._settings.batch
        )

    def judge(self, held: Sequence[Sample]) -> dict[int, Judged]:
        """Verdicts of every detector on samples, by sample id; writes nothing."""
        opened = {one.id: self._open(one) for one in held}
        items = {id_: text for id_, text in opened.items() if isinstance(text, Item)}
        found = engine.score(self._detectors, list(items.values()), self._observe)
        verdicts = {id_: [found[d.name][place] for d in self._detectors] for place, id_ in enumerate(items)}
        fates = dict(zip(items, self._keeper.fates(list(items.values())), strict=True))
        return {
            one.id: self._judged(one, self._scores(one, verdicts.get(one.id), opened[one.id]), fates.get(one.id))
            for one in held
        }

    def write_off(self, held: Sequence[Sample]) -> dict[int, Judged]:
        """Verdicts on samples whose time is over."""
        return {one.id: Judged(self._scores(one, None, EXPIRED), fate=TEXT_EXPIRED) for one in held}

    def forget(self) -> int:
        """Delete what stayed of texts for long enough; returns how many."""
        database = self._tools.database
        with database.write() as connection:
            gone = kept_texts.forget(connection, self._tools.clock.now() - self._settings.keep.retention)
        if gone:
            database.scrub()
        return gone

    def commit(self, verdicts: Mapping[int, Judged]) -> set[int]:
        """Write what is still held, count it, and delete those samples with their text; returns their ids."""
        written = self._counter.commit(verdicts, self._tools.clock.now())
        metrics = self._tools.metrics
        metrics.lost.inc(len(verdicts) - len(written))
        for id_ in written:
            if verdicts[id_].fate:
                metrics.texts.labels(verdicts[id_].fate).inc()
            for score in verdicts[id_].scores:
                metrics.verdicts.labels(score.detector, score.verdict).inc()
        return written

    def _open(self, sample: Sample) -> Item | str:
        """The texts of a sample, or why there are none."""
        if sample.attempts >= MOST_ATTEMPTS:
            return GIVEN_UP
        if sample.text is None:
            return NO_TEXT
        try:
            payload = self._tools.cipher.open((sample.trace_id, sample.span_id), sample.text)
        except ParseError as error:
            return str(error)
        return Item(payload.prompt, payload.output, tuple(payload.context))

    def _judged(self, sample: Sample, found: Sequence[Score], fate: Fate | None) -> Judged:
        """`fate` is None where there was no text, or where it was not read."""
        if fate is None:
            return Judged(found, fate="" if sample.text is None else UNREAD)
        ids = sample.trace_id, sample.span_id
        kept = (
            KeptText(*ids, sample.at, self._tools.clock.now(), fate.name, fate.prompt, fate.output)
            if fate.kept
            else None
        )
        return Judged(found, kept, fate.name)

    def _scores(self, sample: Sample, verdicts: Sequence[Verdict] | None, text: Item | str) -> list[Score]:
        found = verdicts or [failed(str(text))] * len(self._detectors)
        now = self._tools.clock.now()
        return [_score(sample, one, verdict, now) for one, verdict in zip(self._detectors, found, strict=True)]

    def _observe(self, detector: str, seconds: float) -> None:
        self._tools.metrics.seconds.labels(detector).observe(seconds)


def portions(held: Sequence[Sample]) -> list[list[Sample]]:
    """Samples in the order in which they are scored: new ones together, those of a lease that ended each alone.

    If one of them killed the evaluator, it kills it again; but the ones before it are done in the second attempt, and
    the ones after it in the third, which goes backwards.
    """
    fresh = [one for one in held if not one.attempts]
    once = [[one] for one in held if one.attempts == 1]
    more = [[one] for one in reversed(held) if one.attempts > 1]
    return [*([fresh] if fresh else []), *once, *more]


def _score(sample: Sample, detector: Detector, verdict: Verdict, now: float) -> Score:
    return Score(
        trace_id=sample.trace_id,
        span_id=sample.span_id,
        detector=detector.name,
        revision=detector.revision,
        at=sample.at,
        judged_at=now,
        group=sample.group,
        stratum=sample.stratum,
        verdict=verdict.label,
        score=verdict.score,
        reason=verdict.reason,
        spans=[span._asdict() for span in verdict.spans],
    )
