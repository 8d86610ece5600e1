"""The gateway, but it takes no notice of prompts: `python -m tests.benchmarks.without_prompts serve ...`.

Sessions are then known by their names only, and no conversation tree is kept. The difference to the real gateway is the
cost of recognition by content.
"""

from collections.abc import Generator
from unittest.mock import patch

from concur_proxy.cli.main import main
from concur_proxy.wire.request.view import RequestView


def no_chain(_: RequestView) -> Generator[None, None, None]:
    """A prompt in which nothing is recognised."""
    yield from ()


if __name__ == "__main__":
    with patch("concur_proxy.relay.arriving.chain_in_steps", no_chain):
        main()
