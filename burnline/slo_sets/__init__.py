"""SLO files as code: what a change would change, putting it in force, and what was in force before."""
