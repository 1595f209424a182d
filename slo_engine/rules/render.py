"""Groups as the YAML file that Prometheus reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from textwrap import indent

from core.durations import render
from slo_engine.rules.generate import RuleGroup
from slo_engine.rules.recording import Rule

_HEAD = "# Written by `burnline slo rules`; change the SLO files, not this one.\n"


def render_groups(groups: Iterable[RuleGroup]) -> str:
    """The rule file."""
    written = [_group(group) for group in groups]
    return _HEAD + ("groups:\n" + "".join(written) if written else "groups: []\n")


def _group(group: RuleGroup) -> str:
    rules = "".join(indent(_rule(rule), "      ").replace("      ", "    - ", 1) for rule in group.rules)
    return f"  - name: {_text(group.name)}\n    interval: {render(group.interval)}\n    rules:\n{rules}"


def _rule(rule: Rule) -> str:
    lines = f"{rule.kind}: {_text(rule.name)}\n{_expression(rule.expression)}"
    if rule.keeps_firing:
        lines += f"keep_firing_for: {render(rule.keeps_firing)}\n"
    return lines + _mapping("labels", rule.labels) + _mapping("annotations", rule.annotations)


def _expression(expression: str) -> str:
    return f"expr: |-\n{indent(expression.strip(), '  ')}\n"


def _mapping(name: str, values: Mapping[str, str]) -> str:
    if not values:
        return ""
    return f"{name}:\n" + "".join(f"  {_text(key)}: {_text(value)}\n" for key, value in values.items())


def _text(value: str) -> str:
    """A scalar: plain where that is safe, else in JSON's quotes, which are YAML's too."""
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


_PLAIN = re.compile(r"[A-Za-z](?:[\w./-]|:(?=\w))*", re.ASCII)
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
