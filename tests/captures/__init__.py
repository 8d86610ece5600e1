"""Real answers of `/metrics`, as the engines' versions in the file names gave them.

The environment variable `CAPTURES` names one more folder, for the engine kinds of other packages.
"""

import os
from pathlib import Path


def capture(name: str) -> str:
    """The newest capture of this engine kind. Raises `LookupError` when there is none."""
    folders = [Path(__file__).parent, Path(os.environ.get("CAPTURES") or Path(__file__).parent)]
    found = sorted({path for folder in folders for path in folder.glob(f"{name}-*.prom")})
    if not found:
        raise LookupError(f"no {name}-<version>.prom in tests/captures or in the folder CAPTURES")
    return found[-1].read_text()
