"""Composite SLOs: what their components spend, summed with their weights."""
