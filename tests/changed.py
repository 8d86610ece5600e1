"""Prints the test files for what has changed: `python -m tests.changed`. `sh deploy/start check` runs them.

Changed files are those that differ from HEAD, new ones included; without any, those of the commits since `main`.
A module has its own test file and the others in the same folder: `concur_proxy/wire/api_shape.py` has
`tests/wire/test_*.py`.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
PACKAGE = "concur_proxy"
NEED_A_GPU = "tests/real_engine/"
"""These tests and the benchmarks run only on request."""

OTHER_FILES = {
    "Dockerfile": "tests/deploy/test_image.py",
    "docker-compose.yml": "tests/deploy/test_compose.py",
    "deploy/docs/": "tests/docs/",
    "deploy/grafana/": "tests/deploy/test_dashboard.py",
    "deploy/helm/": "tests/deploy/test_kubernetes.py",
    "deploy/kubernetes/": "tests/deploy/test_kubernetes.py",
    "deploy/packages.sh": "tests/deploy/test_packages.py",
    "deploy/prometheus/": "tests/deploy/test_prometheus.py",
    "deploy/runbook.md": "tests/deploy/test_prometheus.py",
    "deploy/start": "tests/deploy/test_start.py",
    "deploy/systemd/": "tests/deploy/test_systemd.py",
    "pyproject.toml": "tests/test_locks.py",
    "requirements.lock": "tests/test_locks.py",
    "tests/requirements.lock": "tests/test_locks.py",
}
"""Tests of what is not Python: a file or folder (with a slash at its end), and its test file or folder of tests."""


def changed_files(root: Path) -> list[str]:
    """Paths of changed and new files, relative to the repository."""
    if uncommitted := _git(root, "diff", "--name-only", "HEAD") + _new_files(root):
        return uncommitted
    for main in ("main", "origin/main"):
        if base := _git(root, "merge-base", main, "HEAD"):
            return _git(root, "diff", "--name-only", base[0], "HEAD")
    return []


def test_files(changed: Iterable[str], root: Path) -> list[str]:
    """The test files of these files, sorted; only those that exist."""
    found: set[Path] = set()
    for name in changed:
        path = PurePosixPath(name)
        if name.startswith(NEED_A_GPU):
            continue
        if path.parts[0] == "tests" and path.name.startswith("test_"):
            found.add(root / path)
        elif path.suffix == ".py" and path.parts[0] in {PACKAGE, "tests"}:
            found.update(_folder_tests(root, path))
        else:
            found.update(_other_tests(root, name))
            if path.suffix == ".md":
                found.update(root.glob("tests/docs/test_*.py"))
    return sorted(str(path.relative_to(root)) for path in found if path.is_file())


def _folder_tests(root: Path, path: PurePosixPath) -> Iterable[Path]:
    """All tests in the folder under `tests` that mirrors the module's, or in the nearest one above it."""
    folder = root.joinpath("tests", *path.parts[1:-1])
    while not folder.is_dir():
        folder = folder.parent
    return folder.glob("test_*.py")


def _other_tests(root: Path, name: str) -> Iterable[Path]:
    for key, tests in OTHER_FILES.items():
        if name == key or (key.endswith("/") and name.startswith(key)):
            return (root / tests).glob("test_*.py") if tests.endswith("/") else [root / tests]
    return []


def _new_files(root: Path) -> list[str]:
    return _git(root, "ls-files", "--others", "--exclude-standard")


def _git(root: Path, *arguments: str) -> list[str]:
    """Lines that git prints; none if it fails, as it does for a branch that does not exist."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


if __name__ == "__main__":
    print(*test_files(changed_files(ROOT), ROOT), sep="\n")
