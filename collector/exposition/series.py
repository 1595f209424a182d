"""The identity of a time series of one target."""

from __future__ import annotations

from core.labels import Labels, render


class Series:
    """A name and its labels, without `__name__`; one reader makes one object a series, so compare with `is`."""

    __slots__ = ("labels", "name")

    def __init__(self, name: str, labels: Labels) -> None:
        self.name = name
        self.labels = labels

    def __repr__(self) -> str:
        return f"Series({self.name}{render(self.labels)})"
