"""The language of the hazards' tests: whole pages of one target as text, what they count, and what its health names.

Beside the commands of the counter rules (../rules/language.py):

    labels model=m               the target's own labels
    page 15s                     a good scrape of the lines below it that begin with |
    again 30s                    the page before, but for the lines below it: a series with another value, a new one, or
                                 `| - text`, which takes away the lines that hold the text
    refused 45s                  as `again`, for a page that must be refused
    health frozen, blank         the names of the conditions after the last page; `sound` for none
    total requests good=3 bad=1  a signal over all time, by outcome; `total retries 4` over everything
    held kv_cache 0.25=1m        how long a gauge was held by the upper bound of its cell, added up over series
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from collector.conditions import Conditions, Seen
from collector.exposition import PageReader
from collector.target import Counting, TargetReader
from core.durations import render
from core.errors import PageRejected
from core.labels import Labels, make
from core.measures import Measure
from storage.plan import MeasurePlan
from tests.collector.pages import DIMENSIONS
from tests.collector.rules.language import Script, seconds

_PAGE_LINE = re.compile(r"\n\|(.*)")
_LINE = "\x01"
# What the language of the rules would take apart: a page's lines pass as one word.
_HIDE = str.maketrans({" ": "\x02", "#": "\x03"})
_SHOW = str.maketrans({"\x02": " ", "\x03": "#"})


@dataclass
class PageScript(Script):
    """Runs one script; AssertionError names the line that does not hold."""

    target: Labels = ()
    lines: list[str] = field(default_factory=list)
    pages: PageReader = field(default_factory=PageReader)
    conditions: Conditions = field(default_factory=Conditions)
    named: list[str] = field(default_factory=list)
    reader: TargetReader | None = None

    def run(self, text: str) -> None:
        """Put a page's lines behind its command, then run every line."""
        super().run(_PAGE_LINE.sub(lambda found: _LINE + found[1].translate(_HIDE), text))

    def do_labels(self, words: list[str]) -> None:
        self.target = make(tuple(word.split("=")) for word in words)

    def do_page(self, words: list[str]) -> None:
        time, self.lines = _edits(words)
        self._scraped(time)

    def do_again(self, words: list[str]) -> None:
        time, edits = _edits(words)
        self._edit(edits)
        self._scraped(time)

    def _scraped(self, time: float) -> None:
        reading = self.pages.read("".join(f"{line}\n" for line in self.lines).encode(), "text/plain")
        reader = self._target()
        outcome = reader.page(reading, time, time)
        assert reader.layout is not None
        seen = Seen(reader.layout, outcome, reading.types, reading.duplicates, reader.unread)
        self.named = [condition.partition(":")[0] for condition in self.conditions.look(seen, time)]

    def do_refused(self, words: list[str]) -> None:
        time, edits = _edits(words)
        kept = list(self.lines)
        self._edit(edits)
        try:
            self.pages.read("".join(f"{line}\n" for line in self.lines).encode(), "text/plain")
        except PageRejected:
            self._target().counter.miss(time, time)
            self.lines = kept
        else:
            raise AssertionError("the page is not refused")

    def do_collector(self, words: list[str]) -> None:
        super().do_collector(words)
        self.reader, self.pages, self.conditions = None, PageReader(), Conditions()

    def do_health(self, words: list[str]) -> None:
        wanted = [] if words == ["sound"] else [name.strip() for name in " ".join(words).split(",")]
        assert self.named == wanted, ", ".join(self.named) or "sound"

    def do_total(self, words: list[str]) -> None:
        found: Counter[str] = Counter()
        for measure, _, n in self._content(words[0]):
            found[dict(measure.attrs).get("outcome", "")] += n
        shown = [f"{outcome}={n}" if outcome else str(n) for outcome, n in sorted(found.items())]
        assert shown == sorted(word for word in words[1:] if word != "nothing"), " ".join(shown) or "nothing"

    def do_held(self, words: list[str]) -> None:
        found: Counter[str] = Counter()
        for measure, cell, n in self._content(words[0]):
            assert measure.bounds is not None
            found[f"{measure.bounds[cell]:g}"] += n
        shown = [f"{bound}={render(ms / 1000)}" for bound, ms in sorted(found.items())]
        assert shown == [word for word in words[1:] if word != "nothing"], " ".join(shown) or "nothing"

    def _content(self, name: str) -> list[tuple[Measure, int, int]]:
        self._flush()
        found = [(atom.measure, cell, n) for row in self.rows.values() for (atom, cell), n in row.items()]
        return [one for one in found if one[0].name == name]

    def _target(self) -> TargetReader:
        if self.reader is None:
            self.reader = TargetReader(self._counter(), self.target, Counting(DIMENSIONS, MeasurePlan()))
        return self.reader

    def _edit(self, edits: list[str]) -> None:
        for edit in edits:
            if edit.startswith("- "):
                self.lines = [line for line in self.lines if edit[2:] not in line]
                continue
            series = edit.rpartition(" ")[0]
            at = next((n for n, line in enumerate(self.lines) if line.rpartition(" ")[0] == series), None)
            if at is None or edit.startswith("#"):
                self.lines.append(edit)
            else:
                self.lines[at] = edit


def _edits(words: list[str]) -> tuple[float, list[str]]:
    """The time of a command, and the lines that stand below it."""
    time, *edits = words[0].split(_LINE)
    return seconds(time), [edit.translate(_SHOW).strip() for edit in edits]
