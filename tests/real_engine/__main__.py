"""Everything against a real vLLM, from a fresh clone: `python -m tests.real_engine [pytest arguments]`.

Installs vLLM into an environment of its own (once, 3.3 GB), makes a tiny model there and runs the suite, in about five
minutes. `python -m tests.real_engine.fleet` then measures what admission control is worth.
"""

import sys
from pathlib import Path

import pytest

from tests.real_engine import install


def main() -> int:
    """Install what is missing, then run; the exit status is pytest's."""
    if not install.is_installed(install.DEFAULT_VENV):
        install.main([])
    return int(pytest.main([str(Path(__file__).parent), *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())
