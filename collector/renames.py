"""Counters that go on under another name: labels came or went, or the page is spelled otherwise.

A page that lacks known series and has new ones of the same metric with other label names shows the same counters anew:
an exporter was upgraded, or its labels flap. They go on from their old values; taken for new series they would count
everything that they ever counted a second time.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

# As core.labels.render writes them; what follows the labels is a histogram's bounds or a scale.
_PAIR = re.compile(r'([^=,\s{]+)="((?:[^"\\]|\\.)*)"')
_KEY = re.compile(r'([^{\s]*)(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?(.*)', re.DOTALL)


class _Key(NamedTuple):
    """A counter's key taken apart; `kind` is what does not change with its labels."""

    key: str
    kind: tuple[str, str]
    name: str
    labels: Mapping[str, str]

    @property
    def shape(self) -> tuple[str, ...]:
        """Its name and the names of its labels."""
        return (self.name, *sorted(self.labels))

    def on(self, common: Iterable[str]) -> tuple[str, ...]:
        """Its values of some labels."""
        return tuple(self.labels.get(name, "") for name in common)


class Renamed(NamedTuple):
    """New keys with the old ones that each goes on from, and new keys whose share of an old one is not known."""

    origins: Mapping[str, tuple[str, ...]]
    split: frozenset[str]


def renamed(gone: Iterable[str], fresh: Iterable[str]) -> Renamed:
    """Which of the keys that are new on a page stand for keys that it lacks."""
    before, now = _by_kind(gone), _by_kind(fresh)
    origins: dict[str, tuple[str, ...]] = {}
    split: set[str] = set()
    for kind in before.keys() & now.keys():
        # Series of one shape come and go with what they count: one of them is never another one.
        shapes = {one.shape for one in before[kind]} & {one.shape for one in now[kind]}
        old = [one for one in before[kind] if one.shape not in shapes]
        new = [one for one in now[kind] if one.shape not in shapes]
        for olds, news in _matched(old, new) if old and new else ():
            if len(news) == 1:
                origins[news[0].key] = tuple(one.key for one in olds)
            else:
                split |= {one.key for one in news}
    return Renamed(origins, frozenset(split))


def _matched(old: list[_Key], new: list[_Key]) -> Iterable[tuple[list[_Key], list[_Key]]]:
    """Old and new keys that agree in the labels that all of them have."""
    common = sorted(set.intersection(*(set(one.labels) for one in (*old, *new))))
    olds, news = _by_values(old, common), _by_values(new, common)
    return [(olds[values], news[values]) for values in olds.keys() & news.keys()]


def _by_values(keys: Iterable[_Key], common: list[str]) -> dict[tuple[str, ...], list[_Key]]:
    found: dict[tuple[str, ...], list[_Key]] = defaultdict(list)
    for one in keys:
        found[one.on(common)].append(one)
    return found


def _by_kind(keys: Iterable[str]) -> dict[tuple[str, str], list[_Key]]:
    found: dict[tuple[str, str], list[_Key]] = defaultdict(list)
    for one in map(_parsed, keys):
        found[one.kind].append(one)
    return found


def _parsed(key: str) -> _Key:
    """`vllm:x_total` and `vllm_x` are one metric: OpenMetrics takes the colon, and adds or drops the suffix."""
    match = _KEY.fullmatch(key)
    assert match is not None
    name, labels, rest = match.groups()
    family = name.replace(":", "_").removesuffix("_total")
    return _Key(key, (family, rest), name, dict(_PAIR.findall(labels or "")))
