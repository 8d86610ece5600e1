"""What a kept run was made with: a digest of sources that changes only with what they do."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SIMULATOR_NEEDS_NOT = tuple(
    f"concur_proxy/{room}"
    for room in (
        *("admin", "aio", "asgi.py", "cli", "client", "doctor", "eager.py", "relay", "server", "settings"),
        *("telemetry", "upstream", "lab/demo", "lab/pages", "lab/report", "lab/server"),
    )
)
GATEWAY_NEEDS_NOT = tuple(f"concur_proxy/{room}" for room in ("client", "doctor", "lab"))


def simulator() -> str:
    """The fingerprint of everything that decides a simulated run."""
    return fingerprint("concur_proxy", without=SIMULATOR_NEEDS_NOT)


def gateway() -> str:
    """The fingerprint of everything that a gateway runs."""
    return fingerprint("concur_proxy", without=GATEWAY_NEEDS_NOT)


@cache
def fingerprint(*rooms: str, without: tuple[str, ...] = ()) -> str:
    """The digest of all Python files in these folders of the repository, and of these files, except `without`.

    Comments, docstrings and layout do not count. Raises `FileNotFoundError` if there is no such folder or file.
    """
    left_out = [REPOSITORY / room for room in without]
    paths = sorted({path for room in rooms for path in _sources(REPOSITORY / room)})
    return digest(
        f"{path.relative_to(REPOSITORY)} {statements(path.read_text(encoding='utf-8'))}"
        for path in paths
        if not any(path.is_relative_to(each) for each in left_out)
    )


def digest(texts: Iterable[str]) -> str:
    """A short digest of some texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def statements(source: str) -> str:
    """The syntax tree as text, without strings that are statements: these are documentation."""
    return ast.dump(_WithoutTexts().visit(ast.parse(source)))


class _WithoutTexts(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def _sources(room: Path) -> Iterator[Path]:
    if not room.exists():
        raise FileNotFoundError(room)
    yield from [room] if room.is_file() else room.rglob("*.py")
