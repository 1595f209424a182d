"""Metrics that applications push by OTLP; docs/pushed-metrics.md tells the rules.

taker (HTTP, and whatever else has bytes) -> names, points -> reader -> collector.push.service
"""
