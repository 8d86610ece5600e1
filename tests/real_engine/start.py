"""Runs a real engine without a GPU until Ctrl-C: `python -m tests.real_engine.start --engine sglang`.

Installs the engine first, if it is missing, into an environment of its own. The model has random weights: its answers
mean nothing, its metrics, caching and errors are the engine's.
"""

import argparse
import time
from contextlib import suppress

from tests.real_engine import install
from tests.real_engine.engines import SERVERS, TOOLS
from tests.real_engine.server import EngineServer, ServerFailed


def main() -> None:
    """Install what is missing, start the engine, and say where it serves."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_engine.start", description=__doc__)
    parser.add_argument("--engine", choices=list(SERVERS), default="sglang", help="default %(default)s")
    parser.add_argument("--model", default="tiny", help="a name in tests/real_engine/model.py (default %(default)s)")
    parser.add_argument("--port", type=int, default=30000, help="default %(default)s")
    given = parser.parse_args()
    install.main([given.engine])
    server = SERVERS[given.engine](given.model, *TOOLS[given.engine], port=given.port)
    print(f"{server.release} starts, which can take some minutes; its log: {server.log}", flush=True)
    try:
        with suppress(KeyboardInterrupt):
            serve(server)
    except ServerFailed as error:
        raise SystemExit(f"{server.release}: {error}") from None


def serve(server: EngineServer) -> None:
    """Run it until this process is interrupted. Raises `ServerFailed` if it does not start or ends before."""
    with server:
        print(f"{server.release} serves the model {server.model} at {server.url}", flush=True)
        while server.is_alive():
            time.sleep(1)
    raise ServerFailed(f"it has ended; the whole log: {server.log}")


if __name__ == "__main__":
    main()
