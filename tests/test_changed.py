"""The choice of tests for `sh deploy/start check`, in a real git repository."""

import subprocess
from pathlib import Path

import pytest

from tests import changed

CODE, TESTS, DEPLOY = "concur_proxy", "tests", "deploy"
FILES = (
    f"{CODE}/plugins.py",
    f"{CODE}/wire/api_shape.py",
    f"{CODE}/wire/request/facts.py",
    f"{CODE}/wire/request/deep/new.py",
    f"{DEPLOY}/start",
    f"{DEPLOY}/grafana/dashboards/board.json",
    f"{TESTS}/test_plugins.py",
    f"{TESTS}/wire/test_api_shape.py",
    f"{TESTS}/wire/test_hosts.py",
    f"{TESTS}/wire/samples.py",
    f"{TESTS}/wire/request/test_facts.py",
    f"{TESTS}/deploy/test_start.py",
    f"{TESTS}/deploy/test_dashboard.py",
    f"{TESTS}/docs/test_links.py",
    f"{TESTS}/deploy/test_prometheus.py",
    f"{TESTS}/real_engine/test_gpu.py",
)


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path)
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "change")


def selected(root: Path) -> list[str]:
    return changed.test_files(changed.changed_files(root), root)


def test_nothing_changed(root: Path) -> None:
    assert selected(root) == []


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        (f"{CODE}/plugins.py", [f"{TESTS}/test_plugins.py"]),
        (f"{CODE}/wire/api_shape.py", [f"{TESTS}/wire/test_api_shape.py", f"{TESTS}/wire/test_hosts.py"]),
        (f"{CODE}/wire/request/facts.py", [f"{TESTS}/wire/request/test_facts.py"]),
        (f"{CODE}/wire/request/deep/new.py", [f"{TESTS}/wire/request/test_facts.py"]),
        (f"{CODE}/wire/request/added.py", [f"{TESTS}/wire/request/test_facts.py"]),
        (f"{TESTS}/wire/samples.py", [f"{TESTS}/wire/test_api_shape.py", f"{TESTS}/wire/test_hosts.py"]),
        (f"{TESTS}/wire/test_hosts.py", [f"{TESTS}/wire/test_hosts.py"]),
        (f"{TESTS}/wire/test_added.py", [f"{TESTS}/wire/test_added.py"]),
        (f"{TESTS}/real_engine/test_gpu.py", []),
        (f"{DEPLOY}/start", [f"{TESTS}/deploy/test_start.py"]),
        (f"{DEPLOY}/grafana/dashboards/board.json", [f"{TESTS}/deploy/test_dashboard.py"]),
        ("Dockerfile", []),
        ("README.md", [f"{TESTS}/docs/test_links.py"]),
        (f"{CODE}/wire/README.md", [f"{TESTS}/docs/test_links.py"]),
        (f"{DEPLOY}/runbook.md", [f"{TESTS}/deploy/test_prometheus.py", f"{TESTS}/docs/test_links.py"]),
    ],
)
def test_a_change_is_tested_before_and_after_its_commit_on_a_branch(name: str, tests: list[str], root: Path) -> None:
    git(root, "switch", "--quiet", "--create", "branch")
    (root / name).write_text("after\n")
    assert selected(root) == tests
    commit(root)
    assert selected(root) == tests


def test_a_deleted_test_is_not_run_and_what_was_committed_before_waits(root: Path) -> None:
    git(root, "switch", "--quiet", "--create", "branch")
    (root / f"{CODE}/plugins.py").write_text("after\n")
    commit(root)
    (root / f"{TESTS}/wire/test_hosts.py").unlink()
    assert selected(root) == []
    (root / f"{TESTS}/wire/samples.py").write_text("after\n")
    assert selected(root) == [f"{TESTS}/wire/test_api_shape.py"]


@pytest.mark.parametrize("tests", changed.OTHER_FILES.values())
def test_the_tests_of_other_files_exist(tests: str) -> None:
    path = changed.ROOT / tests
    assert list(path.glob("test_*.py")) if tests.endswith("/") else path.is_file()


@pytest.mark.parametrize("name", changed.OTHER_FILES)
def test_the_other_files_exist(name: str) -> None:
    path = changed.ROOT / name
    assert path.is_dir() if name.endswith("/") else path.is_file()
