"""`python -m tests.mutation`."""

import sys

from tests.mutation import mutants

if __name__ == "__main__":
    sys.exit(mutants.main(sys.argv[1:]))
