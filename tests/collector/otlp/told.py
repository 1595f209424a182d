"""Spans as applications send them, and a receiver's inside without its server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from collector.otlp.commit import OtlpLedger
from collector.otlp.genai import Rules
from collector.otlp.prepare import Prepared, Preparer
from collector.otlp.sampling import Sampler
from collector.otlp.spans import RawSpan, read_attributes, read_span
from collector.settings import OtlpSettings, Stratum
from core.texts import TextCipher
from storage.database import Database, sqlite_url
from storage.ledger.dictionary import Dictionary
from storage.ledger.rows import RowKey, load_rows, open_source
from storage.tables import ledger_row, metadata

NOW = 1_767_225_600.0
"""A full hour."""
RESOURCE = {"service.name": "shop", "service.version": "v1", "cloud.region": "eu", "tenant.id": "acme"}
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
ALL = (Stratum(name="default", probability=1.0),)
KEY = bytes(range(32))


def value(found: Any) -> AnyValue:
    match found:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=found)
        case int():
            return AnyValue(int_value=found)
        case float():
            return AnyValue(double_value=found)
        case str():
            return AnyValue(string_value=found)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(value, found)))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=pairs(found)))
    raise TypeError(found)


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=value(one)) for name, one in attributes.items()]


def span(
    number: int = 1,
    *,
    trace: int = 1,
    end: float = NOW - 1,
    duration: float = 1.0,
    kind: int = 3,
    failed: bool = False,
    events: Iterable[Span.Event] = (),
    **attributes: Any,
) -> Span:
    return Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name="chat m",
        kind=kind,  # type: ignore[arg-type]  # any number may come
        start_time_unix_nano=round((end - duration) * 1e9),
        end_time_unix_nano=round(end * 1e9),
        attributes=pairs(attributes),
        events=events,
        status=Status(code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET),
    )


def call(number: int = 1, *, told: Mapping[str, Any] | None = None, **kinds: Any) -> Span:
    return span(number, **kinds, **{**CHAT, **(told or {})})


def request(*spans: Span, resource: Mapping[str, Any] = RESOURCE) -> ExportTraceServiceRequest:
    of_resource = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
    of_resource.resource.attributes.extend(pairs(resource))
    return ExportTraceServiceRequest(resource_spans=[of_resource])


def raw(one: Span, resource: Mapping[str, Any] = RESOURCE) -> RawSpan:
    return read_span(one, read_attributes(pairs(resource)), "tests", NOW)


def rules(**settings: Any) -> Rules:
    chosen = OtlpSettings(**{"strata": ALL, **settings})
    return Rules(chosen, ("model", "version", "region", "tenant"), Sampler(chosen.strata, KEY))


def preparer(**settings: Any) -> Preparer:
    return Preparer(rules(**settings), TextCipher(KEY))


def prepared(*spans: Span, now: float = NOW, earliest: float = 0.0, **settings: Any) -> Prepared:
    return preparer(**settings).prepare(request(*spans), now, earliest)


def new_database(folder: Path) -> Database:
    database = Database(sqlite_url(folder / "burnline.db"))
    metadata.create_all(database.engine)
    return database


def ledger(database: Database, **settings: Any) -> OtlpLedger:
    made = OtlpLedger(database, "0", 2000, OtlpSettings(**settings))
    made.listening_since = 0.0
    return made


def rows_of(database: Database, key: str = "otlp:0") -> dict[tuple[RowKey, str, tuple[tuple[str, str], ...]], int]:
    """Everything in the ledger of one source: (row, measure and its parts, group) → count."""
    source_id = open_source(database, "otlp", key, 0.0).source_id
    with database.read() as connection:
        own = connection.execute(ledger_row.select().where(ledger_row.c.source_id == source_id))
        keys = [RowKey(row.width, row.bucket) for row in own]
    found = load_rows(database, Dictionary(), source_id, keys)
    return {
        (row, " ".join([atom.measure.name, *(f"{n}={v}" for n, v in atom.measure.attrs)]), atom.group): n
        for row, cells in found.items()
        for (atom, _), n in cells.items()
    }


def totals(database: Database, key: str = "otlp:0") -> dict[str, int]:
    """The ledger of one source by measure alone."""
    result: Counter[str] = Counter()
    for (_, measure, _), n in rows_of(database, key).items():
        result[measure] += n
    return dict(result)
