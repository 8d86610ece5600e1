"""The gateway as its users run it: a process in front of a real engine."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.process import free_port, running


@contextmanager
def gateway(engine_url: str, *flags: str) -> Iterator[str]:
    """Run a gateway in front of this engine until the block ends; yields its URL."""
    port = free_port()
    arguments = ("serve", "--engine", engine_url, "--port", str(port), "--scrape-interval-s", "0.25", *flags)
    with running("concur_proxy", *arguments, port=port, core=None):
        yield f"http://127.0.0.1:{port}"
