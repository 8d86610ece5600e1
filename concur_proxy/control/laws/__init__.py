"""The control laws, one per file.

Each file has `build(options)`, which returns the law and raises `ValueError` for an unknown or invalid option.
"""
