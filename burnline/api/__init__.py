"""The HTTP API for people and controllers."""
