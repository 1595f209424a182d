"""Label sets as sorted tuples of pairs, and their fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Labels = tuple[tuple[str, str], ...]
"""Sorted by name, no empty value (an empty value means that the label is absent)."""

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_MASK = 0xFFFFFFFFFFFFFFFF


def make(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """Sort and drop empty values."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return tuple(sorted(pair for pair in items if pair[1] != ""))


def with_target(own: Labels, target: Mapping[str, str]) -> dict[str, str]:
    """A series' labels with its target's, which win; the page's own move to `exported_…` as in Prometheus."""
    return {**{(f"exported_{name}" if name in target else name): value for name, value in own}, **target}


def without_target(stored: Labels, target: Mapping[str, str]) -> Labels:
    """The inverse of `with_target`: a stored series' labels as its target wrote them, without `__name__`."""
    own = {name: value for name, value in stored if name != "__name__" and name not in target}
    for name in target:
        if (value := own.pop(f"exported_{name}", None)) is not None:
            own[name] = value
    return make(own)


def fingerprint(labels: Mapping[str, str] | Labels) -> str:
    """Alertmanager's alert fingerprint: FNV-1a (64 bit) over names and values, 0xFF after each, 16 hex digits."""
    items = sorted(labels.items()) if isinstance(labels, Mapping) else sorted(labels)
    digest = _FNV_OFFSET
    for pair in items:
        for text in pair:
            for byte in (*text.encode(), 0xFF):
                digest = ((digest ^ byte) * _FNV_PRIME) & _MASK
    return f"{digest:016x}"


def render(labels: Mapping[str, str] | Labels) -> str:
    """Write as `{a="x", b="y"}` with the escapes of the exposition format."""
    items = sorted(labels.items()) if isinstance(labels, Mapping) else labels
    inside = ", ".join(f'{name}="{escape(value)}"' for name, value in items)
    return "{" + inside + "}"


def escape(value: str) -> str:
    """Escape a label value as the exposition format does."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
