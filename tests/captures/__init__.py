"""Real answers of `/metrics`, as the engines' versions in the file names gave them."""

from pathlib import Path


def capture(name: str) -> str:
    """The newest capture of this engine kind; `LookupError` when there is none."""
    found = sorted(Path(__file__).parent.glob(f"{name}-*.prom"))
    if not found:
        raise LookupError(f"tests/captures has no {name}-<version>.prom")
    return found[-1].read_text()
