"""The ledger: (measure, group, source, bucket) → n, whole and additive."""
