"""`python -m tests.real_clients [--only NAME]`."""

from tests.real_clients.real_clients import main

main()
