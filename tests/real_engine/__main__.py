"""Runs the suite against real engines, from a fresh clone: `python -m tests.real_engine [pytest arguments]`.

Installs vLLM and SGLang into environments of their own (once, 3.5 GB), makes a tiny model there and runs the suite,
which takes about six minutes. Then `python -m tests.real_engine.fleet` measures the benefit of admission control.
"""

import sys
from pathlib import Path

import pytest

from tests.real_engine import install


def main() -> int:
    """Install what is missing and run the suite. Returns the exit status of pytest."""
    install.main([])
    return int(pytest.main([str(Path(__file__).parent), *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
