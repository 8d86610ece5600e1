from pathlib import Path

import pytest

from concur_proxy import plugins
from tests.contracts.added_plugin import added_plugin

DIALECTS = "concur_proxy.engines.dialects"


def test_what_is_available_is_what_lies_in_the_package_sorted() -> None:
    folder = Path(plugins.__file__).parent / "engines" / "dialects"
    assert plugins.available(DIALECTS) == sorted(path.stem for path in folder.glob("[!_]*.py"))
    assert {"sglang", "vllm"} <= set(plugins.available(DIALECTS))


def test_a_plugin_is_its_module() -> None:
    assert plugins.load(DIALECTS, "vllm").__name__ == "concur_proxy.engines.dialects.vllm"


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("vlm", "there is no 'vlm': did you mean vllm"),
        ("ollama9", "there is no 'ollama9': choose one of sglang, vllm"),
        ("", "there is no ''"),
        ("vllm.build", "there is no 'vllm.build'"),
        ("__init__", "there is no '__init__'"),
        ("../vllm", "there is no '../vllm'"),
    ],
)
def test_an_unknown_name_is_an_error_that_tells_the_mend(name: str, mend: str) -> None:
    with pytest.raises(ValueError, match="there is no") as error:
        plugins.load(DIALECTS, name)
    assert str(error.value).startswith(mend)


def test_a_name_of_two_words_is_written_with_a_hyphen() -> None:
    placements = "concur_proxy.admission.placements"
    assert plugins.available(placements) == ["consistent-hash", "least-pressure"]
    assert plugins.load(placements, "consistent-hash").__name__ == f"{placements}.consistent_hash"


def test_a_new_file_is_a_new_plugin(tmp_path: Path) -> None:
    before = plugins.available(DIALECTS)
    with added_plugin(DIALECTS, "tgi", "answer = 42\n", tmp_path):
        assert plugins.available(DIALECTS) == sorted([*before, "tgi"])
        assert plugins.load(DIALECTS, "tgi").answer == 42
    assert plugins.available(DIALECTS) == before
