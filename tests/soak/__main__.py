"""`python -m tests.soak`."""

from tests.soak import main

main()
