"""Runs the suite against a real vLLM, from a fresh clone: `python -m tests.real_engine [pytest arguments]`.

Installs vLLM into an environment of its own (once, 3.3 GB), makes a tiny model there and runs the suite, which takes
about five minutes. Then `python -m tests.real_engine.fleet` measures the benefit of admission control.
"""

import sys
from pathlib import Path

import pytest

from tests.real_engine import install


def main() -> int:
    """Install what is missing and run the suite. Returns the exit status of pytest."""
    if not install.is_installed(install.VLLM_VENV):
        install.main(["vllm"])
    return int(pytest.main([str(Path(__file__).parent), *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
