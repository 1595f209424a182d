"""The seven kinds of OpenSLO v1 and the rules of their fields, as strict as the Go SDK 0.9.2.

Where the specification's text and the SDK disagree, the SDK is followed: it is what a user's CI runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from core.durations import parse_openslo
from core.errors import ParseError
from slo_engine.specs.indicators import check_sli
from slo_engine.specs.node import (
    Check,
    Node,
    any_value,
    boolean,
    each,
    exactly_one,
    is_mapping,
    is_number,
    is_text,
    number,
    one_of,
    struct,
    text,
)

OPS = ("lt", "lte", "gt", "gte")
METHODS = ("Occurrences", "Timeslices", "RatioTimeslices")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_ANNOTATION_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")


def name(node: Node) -> None:
    """An RFC 1123 label of at most 63 characters."""
    if is_text(node) and (len(node.value) > 63 or not _LABEL.fullmatch(node.value)):
        node.report(
            f"{node.value!r} is not a name: at most 63 characters of a-z, 0-9 and '-', first and last a letter or digit"
        )


def _optional_name(node: Node) -> None:
    if node.value != "":
        name(node)


def at_most(length: int) -> Check:
    """Text of a greatest length."""

    def check(node: Node) -> None:
        if is_text(node) and len(node.value) > length:
            node.report(f"has {len(node.value)} characters, at most {length} are allowed")

    return check


description = at_most(1050)


def duration(node: Node) -> None:
    """OpenSLO's duration shorthand."""
    if not is_text(node):
        return
    try:
        parse_openslo(node.value)
    except (ParseError, ValueError) as error:  # ValueError: more digits than Python reads
        node.report(str(error))


def label_map(node: Node) -> None:
    """Keys without a prefix; values are text or lists of text."""
    if not is_mapping(node):
        return
    for key, value in node.entries():
        if not _LABEL_KEY.fullmatch(key):
            value.report(f"{key!r} is not a label key: at most 63 letters, digits, '-', '.' and '_', without a prefix")
        if isinstance(value.value, list):
            each(text)(value)
        elif value.value is not None:
            text(value)


def annotation_map(node: Node) -> None:
    """Keys with an optional DNS prefix; values are text."""
    if not is_mapping(node):
        return
    for key, value in node.entries():
        prefix, slash, rest = key.rpartition("/")
        if not _ANNOTATION_NAME.fullmatch(rest) or (slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix))):
            value.report(f"{key!r} is not an annotation key: write name or dns.prefix/name")
        if value.value is not None:
            text(value)


metadata = struct(
    required={"name": name},
    optional={"displayName": at_most(63), "labels": label_map, "annotations": annotation_map},
)


def _metric_spec(node: Node) -> None:
    if is_mapping(node) and not node.value:
        node.report("must have at least one key")


_metric = struct(
    required={
        "metricSource": struct(
            required={"spec": _metric_spec},
            optional={"metricSourceRef": _optional_name, "type": text},
        )
    }
)


def _ratio_rules(node: Node) -> None:
    if node.get("total"):
        exactly_one("good", "bad")(node)
    elif node.get("raw"):
        for key in ("good", "bad"):
            if value := node.get(key):
                value.report("is not allowed beside raw")
        if not node.get("rawType"):
            node.report("rawType is required with raw")


def _raw_type(node: Node) -> None:
    if is_text(node) and node.value:
        one_of("success", "failure")(node)


_ratio = struct(
    optional={
        "counter": boolean,
        "good": _metric,
        "bad": _metric,
        "total": _metric,
        "raw": _metric,
        "rawType": _raw_type,
    },
    rules=(exactly_one("total", "raw"), _ratio_rules),
)

sli_spec = struct(
    optional={"description": description, "thresholdMetric": _metric, "ratioMetric": _ratio},
    rules=(exactly_one("thresholdMetric", "ratioMetric"), check_sli),
)

_indicator = struct(required={"metadata": metadata, "spec": sli_spec})


def _ref_or_inline(ref: str, kind: str, spec: Check) -> Check:
    """A mapping that is either {ref: name} or an object of the kind without its apiVersion."""
    inline = ("kind", "metadata", "spec")
    by_ref = struct(required={ref: name})
    by_value = struct(required={"kind": one_of(kind), "metadata": metadata, "spec": spec})

    def check(node: Node) -> None:
        if isinstance(node.value, str):
            node.report(f"must be a mapping: write {{{ref}: {node.value}}}")
        elif node.get(ref) and any(node.get(key) for key in inline):
            node.report(f"write either {ref} or an inline {kind}, not both")
        elif any(node.get(key) for key in inline):
            by_value(node)
        else:
            by_ref(node)

    return check


_burn_rate = struct(
    required={"kind": one_of("burnrate"), "op": one_of(*OPS), "threshold": number, "lookbackWindow": duration},
    optional={"alertAfter": duration},
)

condition_spec = struct(required={"severity": text, "condition": _burn_rate}, optional={"description": description})
target_spec = struct(required={"target": text}, optional={"description": description})


def _length(key: str, least: int, most: int | None) -> Check:
    """A rule on a mapping: how many items the list of a key has."""

    def check(node: Node) -> None:
        value = node.get(key)
        count = len(value.items()) if value else 0
        if value and not isinstance(value.value, list):
            return
        if count < least or (most is not None and count > most):
            wanted = f"exactly {least}" if least == most else f"at least {least}"
            (value or node).report(f"{key} must have {wanted}, not {count}")

    return check


policy_spec = struct(
    optional={
        "description": description,
        "alertWhenNoData": boolean,
        "alertWhenResolved": boolean,
        "alertWhenBreaching": boolean,
        "conditions": each(_ref_or_inline("conditionRef", "AlertCondition", condition_spec)),
        "notificationTargets": each(_ref_or_inline("targetRef", "AlertNotificationTarget", target_spec)),
    },
    rules=(_length("conditions", 1, 1), _length("notificationTargets", 1, None)),
)


def _start_time(node: Node) -> None:
    if not is_text(node):
        return
    try:
        valid = bool(_DATE_TIME.fullmatch(node.value)) and bool(datetime.fromisoformat(node.value))
    except ValueError:
        valid = False
    if not valid:
        node.report(f"{node.value!r} is not a time: write it as 2022-01-31 12:00:00")


def _time_zone(node: Node) -> None:
    if not is_text(node):
        return
    try:
        ZoneInfo(node.value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        node.report(f"{node.value!r} is not a time zone: write an IANA name such as UTC or Europe/Warsaw")


def _calendar_rule(node: Node) -> None:
    rolling, calendar = node.get("isRolling"), node.get("calendar")
    is_rolling = bool(rolling and rolling.value)
    if is_rolling and calendar:
        calendar.report("is not allowed when isRolling is true")
    if not is_rolling and not calendar:
        node.report("calendar is required when isRolling is not true")


_time_window = struct(
    required={"duration": duration},
    optional={"isRolling": boolean, "calendar": struct(required={"startTime": _start_time, "timeZone": _time_zone})},
    rules=(_calendar_rule,),
)


def below(limit: int, hint: str) -> Check:
    """A number from 0 to just under a limit."""

    def check(node: Node) -> None:
        if is_number(node) and not 0 <= node.value < limit:
            node.report(f"must be at least 0 and below {limit}, not {node.value}{hint}")

    return check


_objective = struct(
    optional={
        "displayName": text,
        "op": one_of(*OPS),
        "value": number,
        "target": below(1, "; a percentage is written as targetPercent"),
        "targetPercent": below(100, ""),
        "timeSliceTarget": number,
        "timeSliceWindow": duration,
        "indicator": _indicator,
        "indicatorRef": name,
        "compositeWeight": number,
    },
    rules=(exactly_one("target", "targetPercent"),),
)


def is_composite(spec: Node) -> bool:
    """Whether an SLO's objectives bring their own indicators."""
    objectives = spec.get("objectives")
    return objectives is not None and any(_has_indicator(objective) for objective in objectives.items())


def _has_indicator(node: Node) -> bool:
    return bool(node.get("indicator") or node.get("indicatorRef"))


def _indicator_rule(spec: Node) -> None:
    composite = is_composite(spec)
    if composite and _has_indicator(spec):
        spec.report("indicator or indicatorRef stands either here or on each objective, not in both places")
    elif composite:
        for objective in (spec.get("objectives") or spec).items():
            if _has_indicator(objective):
                exactly_one("indicator", "indicatorRef")(objective)
    else:
        exactly_one("indicator", "indicatorRef")(spec)


def _comparison_rule(spec: Node) -> None:
    """op and value belong to an inline thresholdMetric alone; behind a reference the SDK cannot tell."""
    for objective in (spec.get("objectives") or spec).items():
        sli = objective.at("indicator", "spec") or spec.at("indicator", "spec")
        if sli and sli.get("thresholdMetric"):
            for key in ("op", "value"):
                if not objective.get(key):
                    objective.report(f"{key} is required with a thresholdMetric")
        elif sli and sli.get("ratioMetric"):
            for key in ("op", "value"):
                if value := objective.get(key):
                    value.report("is not allowed with an inline ratioMetric: a ratio compares nothing")


def _slice_rule(spec: Node) -> None:
    method = spec.text("budgetingMethod")
    for objective in (spec.get("objectives") or spec).items():
        if method == "Timeslices":
            _slice_target(objective)
        if method in ("Timeslices", "RatioTimeslices") and not objective.get("timeSliceWindow"):
            objective.report(f"timeSliceWindow is required with {method}")


def _slice_target(objective: Node) -> None:
    target = objective.get("timeSliceTarget")
    if target is None:
        objective.report("timeSliceTarget is required with Timeslices")
    elif isinstance(target.value, int | float) and not 0 < target.value <= 1:
        target.report(f"must be above 0 and at most 1, not {target.value}")


def _weight_rule(spec: Node) -> None:
    if not is_composite(spec):
        return
    for objective in (spec.get("objectives") or spec).items():
        weight = objective.get("compositeWeight")
        if weight and isinstance(weight.value, int | float) and weight.value <= 0:
            weight.report(f"must be above 0, not {weight.value}")


slo_spec = struct(
    required={"service": text, "budgetingMethod": one_of(*METHODS)},
    optional={
        "description": description,
        "indicator": _indicator,
        "indicatorRef": name,
        "timeWindow": each(_time_window),
        "objectives": each(_objective),
        "alertPolicies": each(_ref_or_inline("alertPolicyRef", "AlertPolicy", policy_spec)),
    },
    rules=(_length("timeWindow", 1, 1), _indicator_rule, _comparison_rule, _slice_rule, _weight_rule),
)

_data_source = struct(
    required={"type": text, "connectionDetails": any_value},
    optional={"description": description},
)
_service = struct(optional={"description": description})


def _object(spec: Check, *, spec_required: bool = True) -> Check:
    frame = {"apiVersion": any_value, "kind": any_value, "metadata": metadata}
    return (
        struct(required={**frame, "spec": spec}) if spec_required else struct(required=frame, optional={"spec": spec})
    )


KINDS: Mapping[str, Check] = {
    "DataSource": _object(_data_source),
    "Service": _object(_service, spec_required=False),
    "SLI": _object(sli_spec),
    "SLO": _object(slo_spec),
    "AlertPolicy": _object(policy_spec),
    "AlertCondition": _object(condition_spec),
    "AlertNotificationTarget": _object(target_spec),
}
