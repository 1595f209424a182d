"""`burnline backtest`: a history, the alerts that would have fired over it, and how they are told."""
