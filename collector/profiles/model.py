"""What a profile says, read once from its data file and validated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.matchers import parse_matchers
from core.signals import ALIASES, LAYERS, OUTCOMES, SIGNALS

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
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Only series whose labels have one of these values; an absent label is ""."""
    scale: float = 1.0
    """From the page's unit to the signal's: of a histogram's bounds, of anything else's values."""
    label: str = ""
    """The label that tells the parts of a counter apart."""
    attribute: str = "reason"
    """What the ledger calls that label."""
    status_class: bool = False
    """The label holds HTTP codes, kept by class: 503 is 5xx."""
    good: tuple[str, ...] = ()
    """Values of the label; one that ends in * stands for all that begin so, unless they are named themselves."""
    bad: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    reason: str = ""
    """What the ledger has as the attribute where the page has no label for it."""
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
        return self._listed(value) or self._listed(value, patterns=True) or "excluded"

    def knows(self, value: str) -> bool:
        """Whether the profile says what becomes of a value."""
        return bool(self._listed(value) or self._listed(value, patterns=True))

    def told(self, value: str) -> str:
        """A value of `label` as the ledger keeps it."""
        is_code = self.status_class and len(value) == len("503") and value.isdigit()
        return f"{value[0]}xx" if is_code else value

    def aliases(self, signal: str) -> set[str]:
        """Names of parts of the signal that this part can tell."""
        return {
            alias
            for alias, (of, where) in ALIASES.items()
            if of == signal and all(m.name == self.attribute and self.knows(m.value) for m in parse_matchers(where))
        }

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is one to read."""
        return all(labels.get(name, "") in values for name, values in self.where.items())

    def _listed(self, value: str, *, patterns: bool = False) -> str | None:
        for outcome, entries in (("good", self.good), ("bad", self.bad), ("excluded", self.excluded)):
            if any(_begins(value, entry) if patterns else value == entry for entry in entries):
                return outcome
        return None

    @property
    def counts_outcomes(self) -> bool:
        """Whether its events are told apart as good, bad and excluded."""
        return bool(self.outcome or self.good or self.bad)


def _begins(value: str, entry: str) -> bool:
    return entry.endswith("*") and value.startswith(entry[:-1])


class Marker(BaseModel):
    """A metric name that came or went with a version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Without the profile's prefix."""
    after: str = ""
    """The last version known without it."""
    since: str = ""
    """The first version known with it."""
    gone: str = ""
    """The first later version known without it."""
    always: bool = False
    """From `since` on it is on every whole page, so that its absence tells an older version."""

    @model_validator(mode="after")
    def _says_something(self) -> Marker:
        if not (self.after or self.since or self.gone):
            raise ValueError("after, since or gone is needed")
        return self


class Versions(BaseModel):
    """Which versions a profile knows, and how a page tells which it may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    covered: str
    reason: str
    """Why a page without any of the marked names does not tell its version."""
    whole_with: tuple[str, ...] = ()
    """Whole raw names that stand together on a whole page; only there an absence tells anything."""
    markers: tuple[Marker, ...] = ()


class Scrape(BaseModel):
    """Where an engine's page is, and what it is sent as."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = "/metrics"
    port: int | None = None
    """The engine's default; None where it has none of its own for metrics, or none at all."""
    content_type: str = ""
    """As the engine sends it, whatever is asked for; `negotiated`: OpenMetrics where that is asked for."""


class Profile(BaseModel):
    """One engine: how its page is recognised and read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    layer: str
    prefixes: tuple[str, ...]
    """The first is the engine's own, the others are spellings that another program may use too."""
    own_prefixes: tuple[str, ...] = ()
    """More prefixes that are the engine's alone."""
    not_prefixes: tuple[str, ...] = ()
    dimensions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The page's labels that tell a dimension, best first; else the target's label of that name, else the page's."""
    join: tuple[str, ...] = ()
    """The page's labels that name the pod which holds a device: where a target of the fleet has the same labels, its
    dimensions are the device's."""
    one_a_page: tuple[str, ...] = ()
    """Dimensions of which a process has one value: series that do not tell it share what the others tell."""
    absent: tuple[str, ...] = ()
    """Values by which the engine says that a label has none."""
    totals: tuple[str, ...] = ()
    """Labels by which parts stand beside their total in one family: where a total (without the label) is, it alone is
    read, else the parts are added."""
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """As a part's, for all of them."""
    without: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """No series whose labels have one of these values."""
    beside: tuple[str, ...] = ()
    """Engines of other layers whose series may stand on the same page: they are read as well, each in its own layer."""
    scrape: Scrape = Scrape()
    blank_from: float = float("inf")
    versions: Versions = Versions(covered="not known", reason="The profile knows no names that tell versions apart.")
    signals: dict[str, tuple[Part, ...]]
    cannot: dict[str, str] = Field(default_factory=dict)
    revision: str = ""
    """Digest of the data file: counting begins anew for new series when it changes."""

    def is_own(self, name: str) -> bool:
        """Whether a raw name is of this engine and no other."""
        return name.startswith((self.prefixes[0], *self.own_prefixes))

    def fits(self, part: Part, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels is one to read for a part."""
        return (
            part.fits(labels)
            and all(labels.get(name, "") in values for name, values in self.where.items())
            and not any(labels.get(name, "") in values for name, values in self.without.items())
        )

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
