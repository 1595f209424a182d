"""The runbooks that Burnline brings: in the wheel beside this file, in a checkout under docs/."""

from __future__ import annotations

from pathlib import Path

_IN_WHEEL = Path(__file__).parent / "runbooks"
_IN_CHECKOUT = Path(__file__).parent.parent / "docs" / "runbooks"


def read_runbook(name: str) -> str | None:
    """The text of a runbook by its alert's name; None when there is none."""
    folder = _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT
    found = {path.stem: path for path in folder.glob("*.md")}.get(name)
    return found.read_text(encoding="utf-8") if found is not None else None
