"""Examines what a configuration names: each engine and Redis, as they answer now."""
