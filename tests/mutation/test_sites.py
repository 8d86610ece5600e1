import ast

import pytest

from tests.mutation.mutants import SUBJECTS, explanations, paths
from tests.mutation.sites import mutants_of
from tests.mutation.trial import ROOT

BOTH_WAYS = [
    ("a < b", {"a <= b", "a >= b"}),
    ("a in b", {"a not in b"}),
    ("a is None", {"a is not None"}),
    ("0 < a == b", {"0 <= a == b", "0 >= a == b", "0 < a != b", "1 < a == b"}),
    ("a + b // c", {"a - b // c", "a + b * c"}),
    ("a and b or c", {"a or b or c", "(a and b) and c"}),
    ("not a", {"a"}),
    ("a if b else c", {"a if not b else c"}),
    ("[a for a in b if a.c]", {"[a for a in b if not a.c]"}),
    ("2", {"3"}),
    ("0.5", {"1.0"}),
    ("True", {"False"}),
    ("call(a)", set[str]()),
    ("'text'", set[str]()),
    ("f'{a + 1}'", set[str]()),
]


@pytest.mark.parametrize(("expression", "faults"), BOTH_WAYS, ids=[each for each, _ in BOTH_WAYS])
def test_an_expression_has_these_faults(expression: str, faults: set[str]) -> None:
    found = [mutant.source for mutant in mutants_of(f"x = {expression}\n")]
    assert sorted(found) == sorted(f"x = {fault}\n" for fault in faults)


def test_statements_that_change_something_are_left_out() -> None:
    source = "while a:\n    b.c = d\n    e()\n    del f\n    g += h\n    break\nk = m\n"
    found = {mutant.key: mutant.line for mutant in mutants_of(source)}
    assert found == {
        "module: a -> not a": 1,
        "module: b.c = d -> pass": 2,
        "module: e() -> pass": 3,
        "module: del f -> pass": 4,
        "module: g += h -> g -= h": 5,
        "module: g += h -> pass": 5,
        "module: break -> pass": 6,
    }


def test_annotations_and_texts_stay() -> None:
    assert not mutants_of(
        '"""Text."""\n\n\ndef f(a: int | None, b: "set[1]") -> int | None:\n    """Text."""\n    return a\n'
    )


def test_a_key_names_the_function_and_tells_equal_faults_apart() -> None:
    source = "class A:\n    def f(self) -> int:\n        return self.é + 1 + (self.é + 1)\n"
    keys = [mutant.key for mutant in mutants_of(source)]
    assert len(set(keys)) == len(keys)
    assert {"A.f: self.é + 1 -> self.é - 1", "A.f: self.é + 1 -> self.é - 1 (2)"} <= set(keys)
    assert "        return self.é + 1 + (self.é - 1)\n" in {
        each.source.splitlines(keepends=True)[2] for each in mutants_of(source)
    }


def test_a_key_of_a_long_expression_shows_what_differs() -> None:
    names = "name and " * 40
    (key,) = (each.key for each in mutants_of(f"x = f({names}name) < d\n") if ">=" in each.key)
    assert key == "module: …e and name and name and name) < d -> …e and name and name and name) >= d"


def test_every_explanation_belongs_to_a_mutant_that_exists() -> None:
    for file, reasons in explanations().items():
        keys = {mutant.key for mutant in mutants_of((ROOT / file).read_text())}
        assert reasons.keys() <= keys, f"explanations of {file} for mutants that do not exist"


def test_every_mutant_of_a_module_compiles_and_differs() -> None:
    source = (ROOT / "concur_proxy/control/laws/vegas.py").read_text()
    unchanged = ast.dump(ast.parse(source))
    mutants = mutants_of(source)
    assert len(mutants) > 40
    assert all(ast.dump(ast.parse(mutant.source)) != unchanged for mutant in mutants)


def test_every_subject_has_files() -> None:
    assert all(len(paths(subject)) > 1 for subject in SUBJECTS.values())
