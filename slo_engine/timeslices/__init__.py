"""Time slices: each is judged from its minutes, and its verdict enters the ledger as a count."""
