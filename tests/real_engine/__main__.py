"""Runs the suite against a real engine, from a fresh clone: `python -m tests.real_engine [--engine sglang]`.

Installs the engine into an environment of its own (once; 3.3 GB), makes a tiny model there and runs the suite, which
takes three to six minutes. All further arguments go to pytest. Then `python -m tests.real_engine.fleet` measures the
benefit of admission control.
"""

import argparse
import sys
from pathlib import Path

import pytest

from tests.real_engine import install
from tests.real_engine.engines import SERVERS


def main() -> int:
    """Install what is missing and run the suite. Returns the exit status of pytest."""
    parser = argparse.ArgumentParser(prog="python -m tests.real_engine", description=__doc__)
    parser.add_argument("--engine", choices=list(SERVERS), default="vllm", help="default %(default)s")
    given, others = parser.parse_known_args()
    install.main([given.engine])
    return int(pytest.main([str(Path(__file__).parent), "--engine", given.engine, *others]))


if __name__ == "__main__":
    sys.exit(main())
