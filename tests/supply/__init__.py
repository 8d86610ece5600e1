"""The supply chain: what the gateway consists of, and what is known about it. `python -m tests.supply --help`."""
