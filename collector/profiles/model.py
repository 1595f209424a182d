"""What a profile says, read once from its data file and validated."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.signals import LAYERS, OUTCOMES, SIGNALS

Kind = Literal["counter", "histogram", "gauge", "share", "time"]


class Part(BaseModel):
    """One raw metric that feeds a signal. Parts of a signal are added; of its names the first on the page is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    names: tuple[str, ...] = ()
    """Names without the profile's prefix."""
    raw: tuple[str, ...] = ()
    """Whole names, for metrics that do not carry the engine's prefix."""
    rest: tuple[str, ...] = ()
    """kind share: what, added to the value, makes the whole."""
    scale: float = 1.0
    label: str = ""
    """The label that tells the parts of a counter apart."""
    attribute: str = "reason"
    """What the ledger calls that label."""
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    reason: str = ""
    outcome: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Part:
        if not (self.names or self.raw):
            raise ValueError("names or raw is needed")
        if self.outcome and self.outcome not in OUTCOMES:
            raise ValueError(f"outcome is one of {', '.join(OUTCOMES)}")
        return self

    def outcome_of(self, value: str) -> str:
        """good, bad or excluded for a value of `label`; a value that the profile does not know is excluded."""
        if self.outcome:
            return self.outcome
        return "good" if value in self.good else "bad" if value in self.bad else "excluded"

    @property
    def counts_outcomes(self) -> bool:
        """Whether its events are told apart as good, bad and excluded."""
        return bool(self.outcome or self.good or self.bad)


class Profile(BaseModel):
    """One engine: how its page is recognised and read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    layer: str
    prefixes: tuple[str, ...]
    """The first is the engine's own, the others are spellings that another program may use too."""
    not_prefixes: tuple[str, ...] = ()
    dimensions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    scrape: dict[str, str] = Field(default_factory=dict)
    blank_from: float = float("inf")
    signals: dict[str, tuple[Part, ...]]
    cannot: dict[str, str] = Field(default_factory=dict)
    revision: str = ""
    """Digest of the data file: counting begins anew for new series when it changes."""

    @model_validator(mode="after")
    def _known(self) -> Profile:
        unknown = [name for name in (*self.signals, *self.cannot) if name not in SIGNALS]
        if unknown:
            raise ValueError(f"unknown signals: {', '.join(unknown)}")
        if self.layer not in LAYERS:
            raise ValueError(f"layer is one of {', '.join(LAYERS)}")
        return self

    def short(self, name: str) -> str | None:
        """A raw name without the engine's prefix, or None when it does not carry one."""
        if any(name.startswith(prefix) for prefix in self.not_prefixes):
            return None
        return next((name[len(prefix) :] for prefix in self.prefixes if name.startswith(prefix)), None)
