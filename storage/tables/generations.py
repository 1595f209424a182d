"""What the OTLP receiver writes (generations, spans, samples with their text) and what the evaluator answers."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text

from storage.tables.base import metadata

# Every generation that was counted: the primary key is what a span that is sent again meets.
generation = Table(
    "generation",
    metadata,
    Column("trace_id", Text, primary_key=True),
    Column("span_id", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("provider", Text),
    Column("operation", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error_type", Text),
    Column("finish_reason", Text),
    Column("streamed", Boolean),
    Column("input_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("duration", Float, nullable=False),
    Column("ttft", Float),
    Column("itl", Float),
    Column("goodput", Text, nullable=False),
    Column("cost_micros", BigInteger),
    Column("retrieval", JSON),
    Column("stratum", Text, nullable=False),
    Column("probability", Float, nullable=False),
    Column("sampled", Boolean, nullable=False),
    Column("dialect", Text),
    Column("cache_write_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("tool_calls", BigInteger),
    Column("tool_names", JSON),
    Index("ix_generation_at", "at"),
)

# Spans of traces that were drawn, without content: what the waterfall is drawn from.
span = Table(
    "span",
    metadata,
    Column("trace_id", Text, primary_key=True),
    Column("span_id", Text, primary_key=True),
    Column("parent_id", Text),
    Column("service", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float, nullable=False),
    Column("error", Text),
    Column("attributes", JSON, nullable=False),
    Column("events", JSON, nullable=False),
    Index("ix_span_ended_at", "ended_at"),
)

# A drawn generation that waits for its scores. The collector inserts it; the evaluator leases and deletes it.
sample = Table(
    "sample",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("trace_id", Text, nullable=False),
    Column("span_id", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("drawn_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("stratum", Text, nullable=False),
    Column("probability", Float, nullable=False),
    Column("text", LargeBinary),
    Column("leased_by", Text),
    Column("leased_until", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index("ix_sample_leased_until", "leased_until"),
    Index("ix_sample_expires_at", "expires_at"),
    sqlite_autoincrement=True,
)

# What stays of the texts of a scored generation, where a policy keeps something; written by the evaluator.
kept_text = Table(
    "kept_text",
    metadata,
    Column("trace_id", Text, primary_key=True),
    Column("span_id", Text, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kept_at", Float, nullable=False),
    Column("policy", Text, nullable=False),
    Column("prompt", Text),
    Column("output", Text),
    Index("ix_kept_text_kept_at", "kept_at"),
)

# What a detector said of a generation. `spans` are places in the text, never the text.
score = Table(
    "score",
    metadata,
    Column("trace_id", Text, primary_key=True),
    Column("span_id", Text, primary_key=True),
    Column("detector", Text, primary_key=True),
    Column("revision", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("judged_at", Float, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("stratum", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("score", Float),
    Column("reason", Text),
    Column("spans", JSON, nullable=False),
    Index("ix_score_at", "at"),
)
