"""One engine kind's metrics in each file: its series, and when it refreshes them.

Each module has `build(model, options, rank)`, which returns a `Flavour` (see `flavour.py`).
"""
