"""Series that Prometheus or an agent pushes by remote write 1.0; docs/pushed-series.md tells the rules.

server -> receive (HTTP) -> wire -> catalog -> source: storage.pushed, assembly, then collector.promql.members
"""
