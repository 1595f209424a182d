"""Time that an SLO does not count: nothing is deleted, and what is left out is counted beside it and told."""
