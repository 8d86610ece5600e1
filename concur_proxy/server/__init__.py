"""The gateway as a process: composition root, HTTP server, workers, reload."""
