"""An application that asks a model through OpenAI's client, instrumented, in a process of its own: the instrumentations
patch the client, and not each of them can be taken off again.

One JSON argument: {names, receiver, model_url, model, calls, stream}; prints a JSON list with what became of each call.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import openai
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

MESSAGES: Any = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "what does the wandering heliotrope say"},
]


def instrument(name: str, provider: TracerProvider) -> None:
    """Patch the client by one of the instrumentations."""
    if name == "genai":
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as Instrumentor
    elif name == "traceloop":
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor as Instrumentor
    else:
        from openinference.instrumentation.openai import OpenAIInstrumentor as Instrumentor
    Instrumentor().instrument(tracer_provider=provider)


def ask(client: openai.OpenAI, model: str, seed: int, stream: bool) -> dict[str, Any]:
    """What became of one call."""
    options: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    try:
        answer = client.chat.completions.create(model=model, messages=MESSAGES, seed=seed, max_tokens=60, **options)
        return streamed(answer) if stream else told(answer)
    except openai.InternalServerError:
        return {"failed": True}


def told(answer: Any) -> dict[str, Any]:
    choice, usage = answer.choices[0], answer.usage
    return {
        "reason": choice.finish_reason,
        "text": choice.message.content,
        "tokens": [usage.prompt_tokens, usage.completion_tokens],
    }


def streamed(events: Any) -> dict[str, Any]:
    found = list(events)
    usage = found[-1].usage
    return {"events": len(found), "tokens": [usage.prompt_tokens, usage.completion_tokens]}


def main(given: dict[str, Any]) -> None:
    resource = Resource({"service.name": "shop", "service.version": "v7", "tenant.id": "acme"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(given["receiver"])))
    for name in given["names"]:
        instrument(name, provider)
    with openai.OpenAI(base_url=given["model_url"], api_key="none", max_retries=0) as client:
        found = [ask(client, given["model"], seed, given["stream"]) for seed in range(given["calls"])]
    provider.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
