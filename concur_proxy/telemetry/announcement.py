"""Lines that a server prints on standard output when it starts, for people and for scripts."""

import os
import sys


def announce(*lines: str) -> None:
    """Print the lines. If nobody reads them, as after `concur-proxy serve | head -1`, the server goes on."""
    try:
        for line in lines:
            print(line, flush=True)  # noqa: T201 - for scripts
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # or Python fails to write the lines again when it exits
        os.close(nowhere)
