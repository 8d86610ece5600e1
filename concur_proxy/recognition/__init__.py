"""Finds the session that a request belongs to. Pure: no I/O, no clock."""
