"""Writes `deploy/docs/reference/` from the code: `python -m tests.docs.reference`."""
