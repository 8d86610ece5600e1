"""One control law a file. Each has `build(options)`, which takes the law's options by name and raises `ValueError`
for a wrong one.
"""
