"""One state store a file. Each has `build(fleet, clock)`."""
