"""One way of placing sessions a file. Each has `build()`, which makes its `Placement`."""
