"""Burnline beside a real Prometheus over the same fleet, and both beside the truth.

One random fleet is written as one OpenMetrics file. Prometheus holds it as blocks and is asked the rules that
`burnline slo rules` writes; Burnline replays it. The generator knows what really happened.
"""
