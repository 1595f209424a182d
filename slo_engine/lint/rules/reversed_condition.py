"""A burn-rate condition the wrong way round: `lte` fires while all is well."""

from __future__ import annotations

from collections.abc import Iterator

from slo_engine.lint.looking import conditions, place_of
from slo_engine.lint.model import Hit, Rule, Subject

_TURNED = {"lt": "gt", "lte": "gte"}


def check(subject: Subject) -> Iterator[Hit | str]:
    """Each condition once, whoever uses it."""
    seen = set()
    for condition in conditions(subject.specs):
        op = condition.node.get("op")
        if op and op.value in _TURNED and place_of(op) not in seen:
            seen.add(place_of(op))
            threshold = condition.node.get("threshold")
            burning = f"{threshold.value if threshold else '?'} times the sustainable rate"
            message = f"{op.value} fires while the budget burns slower than {burning}"
            yield Hit(place_of(op), message, f"write {_TURNED[op.value]}")


RULE = Rule("reversed-condition", "error", "a burn-rate condition with lt or lte: it fires while all is well", check)
