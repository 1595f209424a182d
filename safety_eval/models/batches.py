"""Batches of texts of like length: little padding, bounded memory."""

from __future__ import annotations

from collections.abc import Sequence


def by_length(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Places of texts, shortest first, in batches whose padded size is at most `budget` tokens (or one text)."""
    result: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if result and (len(result[-1]) + 1) * lengths[place] <= budget:
            result[-1].append(place)
        else:
            result.append([place])
    return result


def windows(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """(begin, end) of windows of at most `size` that cover `length` and overlap; one window for a short text."""
    if length <= size:
        return [(0, length)]
    step = size - overlap
    count = -(-(length - overlap) // step)
    return [(min(n * step, length - size), min(n * step + size, length)) for n in range(count)]
