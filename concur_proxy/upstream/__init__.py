"""HTTP/1.1 to the engines: one request out, its answer in."""
