"""Benchmarks: every speed or size that the documents quote is one command here; docs/performance.md has the tables."""
