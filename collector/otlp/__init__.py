"""The OTLP/HTTP receiver: from an application's spans to committed counts, generations, drawn samples and traces.

A request's way: `receive` → `body` → `decode` → `spans` → `prepare` (with `glance`, `genai`, `content`, `retrieval`,
`sampling`, `attributes`) → `queue` → `commit` (with `count` and `coverage`) → `forward`; `server` keeps it all running.
"""
