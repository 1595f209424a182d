"""The identity of a time series of one target."""

from __future__ import annotations

from typing import NamedTuple

from core.labels import Labels, render


class Series(NamedTuple):
    """A name and its labels, without `__name__`. Readers hand the same object out again: `is` is the fast question."""

    name: str
    labels: Labels

    def __repr__(self) -> str:
        return f"Series({self.name}{render(self.labels)})"
