"""Examines the servers that a configuration names: each engine and Redis."""
