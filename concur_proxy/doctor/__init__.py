"""Examines the servers that a configuration names, each engine and Redis, and a running gateway."""
