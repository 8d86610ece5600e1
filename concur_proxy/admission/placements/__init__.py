"""Placements, one per module. Each module has `build()`, which makes its `Placement`."""
