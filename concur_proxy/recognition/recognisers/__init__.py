"""Recognisers by name: one module each."""
