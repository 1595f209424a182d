"""A label with more values than can be kept apart: what is over the cap is counted under `__other__`."""

from __future__ import annotations

from collections.abc import Iterator

from slo_engine.lint.looking import by_place
from slo_engine.lint.model import Hit, Rule, Subject
from slo_engine.specs.model import Slo

EVENT_IDS = frozenset(
    ("request_id", "trace_id", "span_id", "session_id", "conversation_id", "message_id", "uuid", "uid", "id", "ip")
)
"""A value an event, or near it."""
PEOPLE = frozenset(("user", "user_id", "username", "email", "client_ip", "api_key", "customer_id"))
PROCESSES = frozenset(("pod", "pod_name", "instance", "container", "container_id", "replica", "hostname"))
"""A value a process: each deployment brings all of them anew."""


def check(subject: Subject) -> Iterator[Hit | str]:
    """What names tell, and how many values the ledger has seen in the last week."""
    for slo in subject.specs.catalogue.slos:
        place = by_place(subject.specs, slo)
        for label in slo.by:
            if why := _by_name(label.lower()) or _by_values(subject, slo, label):
                yield Hit(place, f"{slo.name} is measured by {label}: {why}", _ADVICE)
        groups = len(subject.facts.traffic.get(slo.name, ()))
        if groups > subject.facts.cap:
            message = f"{slo.name} has {groups} groups, over the cap of {subject.facts.cap}"
            yield Hit(place, message, _ADVICE)


def _by_name(label: str) -> str:
    if label in EVENT_IDS:
        return "it has a value for nearly every event"
    if label in PEOPLE:
        return "it has a value for every person"
    if label in PROCESSES:
        return "it has a value for every process, all new at each deployment"
    return ""


def _by_values(subject: Subject, slo: Slo, label: str) -> str:
    values = {dict(traffic.group).get(label, "") for traffic in subject.facts.traffic.get(slo.name, ())}
    cap = subject.facts.cap
    return f"the ledger has seen {len(values)} values, over the cap of {cap}" if len(values) > cap else ""


_ADVICE = "measure by a label with few values that last, such as model, version or region"

RULE = Rule("label-cardinality", "warning", "a label in `by` that has, or will have, too many values", check)
