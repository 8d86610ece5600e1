"""One loop for each client. A loop runs in the client's own environment: `python -m tests.real_clients.loops.NAME`."""
