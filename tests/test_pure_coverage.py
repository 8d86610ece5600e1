"""The branch coverage that `sh deploy/start tests` requires of the pure rooms."""

import tomllib
from pathlib import Path

from tests.pure_coverage import LEAST, ROOMS, measure, room_coverage

REPOSITORY = Path(__file__).parents[1]
CODE = "concur_proxy"
FILES: dict[str, dict[str, object]] = {
    f"{CODE}/wire/a.py": {
        "summary": {"num_branches": 4, "covered_branches": 3},
        "missing_branches": [[7, 9]],
    },
    f"{CODE}/wire/deep/b.py": {
        "summary": {"num_branches": 6, "covered_branches": 5},
        "missing_branches": [[3, -1]],
    },
    f"{CODE}/wires.py": {"summary": {"num_branches": 2, "covered_branches": 0}, "missing_branches": [[1, 2]]},
}


def test_a_room_has_the_branches_of_all_its_files_and_of_no_other() -> None:
    room = room_coverage("wire", FILES)
    assert (room.branches, room.taken, room.share) == (10, 8, 0.8)
    assert room.missed == (f"{CODE}/wire/a.py: 7 -> 9", f"{CODE}/wire/deep/b.py: 3 -> exit")
    assert room_coverage("engines", FILES).share == 1.0


def test_the_tests_of_a_room_are_run_and_measured(tmp_path: Path) -> None:
    files = measure(["lab/engine"], tmp_path, processes=2)
    assert files is not None
    room = room_coverage("lab/engine", files)
    assert room.share >= LEAST, "what the processes measured is put together"


def test_every_room_that_the_import_rules_keep_pure_is_measured() -> None:
    rules = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = (rule["source_modules"] for rule in rules if rule["name"].startswith("The core is pure"))
    packages = [name for name in pure if (REPOSITORY / name.replace(".", "/")).is_dir()]
    assert sorted(packages) == sorted(f"concur_proxy.{room.replace('/', '.')}" for room in ROOMS)
