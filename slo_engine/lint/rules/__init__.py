"""A file a rule: an id, a severity, what it finds, and the check."""
