"""The fuzz targets by name. Each takes any bytes, and fails if a reader of the gateway breaks its promise."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.fuzz import answers, requests

Target = Callable[[bytes], None]

CORPUS = Path(__file__).parent / "corpus"
MAX_BYTES = 4096
"""Size of the inputs that are tried."""

TARGETS: Mapping[str, Target] = {
    "answer": answers.answer,
    "body": requests.body,
    "framing": requests.framing,
    "metrics": answers.metrics,
    "path": requests.path,
    "session": requests.session,
    "stream": answers.stream,
}


def corpus(name: str) -> list[Path]:
    """The kept inputs of a target."""
    return sorted((CORPUS / name).iterdir())
