"""Lists that a dialect flattens into attributes: `llm.input_messages.0.message.role` is a path of the first entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_LONGEST_NUMBER = 6

Entry = Mapping[str, Sequence[Any]]
"""The values of one entry by path, in the order of their further numbers; in a path a number is `*`."""


def entries(attributes: Mapping[str, Any], prefix: str) -> list[Entry]:
    """The entries below a prefix by their number. What is not numbered is not one."""
    start = f"{prefix}."
    found: dict[int, dict[str, list[tuple[list[int], Any]]]] = {}
    for name, value in attributes.items():
        if name.startswith(start):
            first, *rest = name[len(start) :].split(".")
            if _is_number(first):
                path = ".".join("*" if _is_number(part) else part for part in rest)
                numbers = [int(part) for part in rest if _is_number(part)]
                found.setdefault(int(first), {}).setdefault(path, []).append((numbers, value))
    return [{path: _in_order(values) for path, values in one.items()} for _, one in sorted(found.items())]


def at(entry: Entry, paths: Sequence[str]) -> Iterator[Any]:
    """The values at some paths."""
    return (value for path in paths for value in entry.get(path, ()))


def _in_order(values: list[tuple[list[int], Any]]) -> list[Any]:
    return [value for _, value in sorted(values, key=lambda one: one[0])]


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= _LONGEST_NUMBER
