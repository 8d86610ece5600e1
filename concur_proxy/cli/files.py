"""Files that a command writes."""

import os
from pathlib import Path


def is_writable(path: Path) -> bool:
    """Whether the file can be written, or created if it does not exist."""
    return os.access(path if path.exists() else path.parent, os.W_OK) and not path.is_dir()
