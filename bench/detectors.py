"""How well the detectors judge texts that people have labelled: the data are a folder, given as argument."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from bench.harness import Table, python
from safety_eval import engine, loading
from safety_eval.detectors.port import Item
from safety_eval.settings import EvaluatorSettings
from storage.scores import FLAGGED

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Case = tuple[Item, bool]
"""What is judged, and whether it is harmful."""


class DataSet(NamedTuple):
    """A labelled set: who judges it, and how its cases are read."""

    name: str
    detector: str
    read: Callable[[Path], Iterator[Case]]


class Judged(NamedTuple):
    """Verdicts that have a score beside the truth; `left`: cases without one. `parts`: figures that make up the score."""  # noqa: E501 - a path in one piece

    scores: Floats
    flagged: Truths
    harmful: Truths
    parts: Mapping[str, Floats]
    left: int


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row for each data set that the folder has; 1 when it has none."""
    parser = argparse.ArgumentParser(prog="python -m bench.detectors", description=__doc__)
    parser.add_argument("folder", type=Path, help="folders piguard, begin, halueval, presidio-research as upstream")
    parser.add_argument("--most", type=int, default=10**6, help="cases of each set (default: all)")
    chosen = parser.parse_args(argv)
    rows = [row for one in SETS for row in _rows(one, chosen.folder, chosen.most)]
    if not rows:
        print(f"{chosen.folder} has none of the data sets", file=sys.stderr)
        return 1
    head = ("data", "detector", "n", "harmful", "no score", "AUROC", "sensitivity", "specificity")
    print(f"Detectors as shipped: {python()}, CPU, default thresholds\n\n{Table(head, rows)}")
    return 0


def _rows(one: DataSet, folder: Path, most: int) -> list[list[str]]:
    try:
        cases = list(one.read(folder))[:most]
    except FileNotFoundError as error:
        print(f"{one.name}: no {error.filename}", file=sys.stderr)
        return []
    judged = _judge(one.detector, cases)
    counts = [str(len(judged.harmful)), str(int(judged.harmful.sum())), str(judged.left)]
    right = [_share(judged.flagged[judged.harmful]), _share(~judged.flagged[~judged.harmful])]
    whole = [one.name, one.detector, *counts, auroc(judged.scores, judged.harmful), *right]
    parts = [
        [f"{one.name}: {name} alone", one.detector, *counts, auroc(values, judged.harmful), "-", "-"]
        for name, values in judged.parts.items()
    ]
    return [whole, *parts]


def _judge(name: str, cases: Sequence[Case]) -> Judged:
    settings = EvaluatorSettings(device="cpu")
    detector = loading.load(name, settings, loading.device_of([name], settings))
    verdicts = [
        verdict
        for at in range(0, len(cases), settings.batch)
        for verdict in engine.of_one(detector, [item for item, _ in cases[at : at + settings.batch]])
    ]
    found = [(one, harmful) for one, (_, harmful) in zip(verdicts, cases, strict=True) if one.score is not None]
    return Judged(
        np.array([one.score for one, _ in found], float),
        np.array([one.label == FLAGGED for one, _ in found], bool),
        np.array([harmful for _, harmful in found], bool),
        {part: np.array([one.parts[part] for one, _ in found]) for part in (found[0][0].parts if found else ())},
        len(cases) - len(found),
    )


def auroc(scores: Floats, harmful: Truths) -> str:
    """Chance that a harmful case scores over a harmless one, ties counting half; a dash without both."""
    bad = int(harmful.sum())
    good = len(harmful) - bad
    if not bad or not good:
        return "-"
    return f"{(rankdata(scores)[harmful].sum() - bad * (bad + 1) / 2) / (bad * good):.3f}"


def _share(right: Truths) -> str:
    return f"{right.mean():.3f}" if len(right) else "-"


def _piguard(folder: Path) -> Iterator[Case]:
    for words in ("one", "two", "three"):
        for row in _json(folder / "piguard" / f"NotInject_{words}.json"):
            yield Item(row["prompt"], None), False
    for texts in _json(folder / "piguard" / "BIPIA_code.json").values():
        yield from ((Item(text, None), True) for text in texts)


def _begin(name: str) -> Callable[[Path], Iterator[Case]]:
    def read(folder: Path) -> Iterator[Case]:
        with (folder / "begin" / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["begin_label"] != "Generic":
                    yield Item(None, row["response"], (row["knowledge"],)), row["begin_label"] != "Fully attributable"

    return read


def _halueval(folder: Path) -> Iterator[Case]:
    with (folder / "halueval" / "qa_one-turn_data.json").open(encoding="utf-8") as file:
        for row in map(json.loads, file):
            context = (row["knowledge"],) if isinstance(row["knowledge"], str) else tuple(row["knowledge"])
            yield Item(row["question"], row["right_answer"], context), False
            yield Item(row["question"], row["hallucinated_answer"], context), True


def _presidio(folder: Path) -> Iterator[Case]:
    wanted = set(EvaluatorSettings().pii.types)
    for row in _json(folder / "presidio-research" / "generated_small.json"):
        yield Item(None, row["full_text"]), any(span["entity_type"] in wanted for span in row["spans"])


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


SETS: Sequence[DataSet] = (
    DataSet("presidio-research, small", "pii", _presidio),
    DataSet("NotInject and BIPIA code", "injection", _piguard),
    DataSet("BEGIN, Wizard of Wikipedia", "groundedness", _begin("begin_dev_wow.tsv")),
    DataSet("BEGIN, CMU DoG", "groundedness", _begin("begin_dev_cmu.tsv")),
    DataSet("HaluEval QA, one turn", "groundedness", _halueval),
)


if __name__ == "__main__":
    sys.exit(main())
