"""What a dialect says, read once from its data file and validated."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

FieldName = Literal[
    "model",
    "response_model",
    "provider",
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "ttft",
    "finish_reason",
    "streamed",
]
"""What a dialect can tell of a generation in an attribute. Cached and cache-write tokens are part of the input,
reasoning tokens of the output; ttft is in seconds."""


class Source(NamedTuple):
    """Where a value stands: an attribute, or a key of the JSON object that an attribute holds."""

    attribute: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Source:
        """`attribute` or `attribute#key`."""
        attribute, _, key = text.partition("#")
        return cls(attribute, key)


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Operation(_Data):
    """The attribute that says what a span does; `values` translates it, empty takes it as it is."""

    attribute: str
    values: dict[str, str] = Field(default_factory=dict)


class Messages(_Data):
    """Messages: in one `attribute` (structured, JSON or plain text; also on `events`), or flattened below a `prefix`.

    Paths below a prefix follow the message's number; `*` stands for a further number.
    """

    attribute: str = ""
    events: tuple[str, ...] = ()
    plain_by: str = ""
    """The attribute that holds the media type: what is no text/plain is a whole request, not a message."""
    prefix: str = ""
    role: str = ""
    text: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_place(self) -> Messages:
        if bool(self.attribute) == bool(self.prefix):
            raise ValueError("messages stand in an attribute or below a prefix")
        return self


class Documents(_Data):
    """Retrieved documents: a list in one `attribute`, flattened below a `prefix`, or one an event of `on_events`."""

    attribute: str = ""
    events: tuple[str, ...] = ()
    prefix: str = ""
    on_events: tuple[str, ...] = ()
    id: tuple[str, ...]
    score: tuple[str, ...]
    text: tuple[str, ...]
    metadata: tuple[str, ...]
    last: bool = False
    """They replace what was retrieved before, as a reranker's do."""

    @model_validator(mode="after")
    def _one_place(self) -> Documents:
        if [bool(self.attribute), bool(self.prefix), bool(self.on_events)].count(True) != 1:
            raise ValueError("documents stand in an attribute, below a prefix or on events")
        return self


class Dialect(_Data):
    """One way to tell of model calls. Of two dialects on one span, the one with the smaller `rank` is read first."""

    dialect: str
    title: str
    rank: int
    recognised_by: tuple[str, ...] = Field(min_length=1)
    operation: Operation
    fields: dict[FieldName, tuple[str, ...]]
    first_token_events: tuple[str, ...] = ()
    """Events of which the first marks the first token, where no attribute tells its time."""
    prompt: tuple[Messages, ...] = ()
    output: tuple[Messages, ...] = ()
    system: tuple[Messages, ...] = ()
    documents: tuple[Documents, ...] = ()
    keep: tuple[str, ...] = ()
    """Further attributes for the waterfall: none that carries content."""
