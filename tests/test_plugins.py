import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from concur_proxy import plugins
from concur_proxy.admission.order import QueueOrder
from concur_proxy.admission.placement import Placement
from concur_proxy.admission.placements import consistent_hash
from concur_proxy.control.law import ControlLaw
from concur_proxy.engines.kinds import vllm
from concur_proxy.recognition.recogniser import Recogniser, RecogniserOptions
from tests.contracts.added_plugin import added_plugin, installed_plugin

KINDS = plugins.ENGINE_KINDS
OUTSIDE = """
def build():
    return 42

class Factory:
    @staticmethod
    def make():
        return 43

number = 44
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the import path with the module `outside_plugin`."""
    (tmp_path / "outside_plugin.py").write_text(OUTSIDE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("outside_plugin", None)


def test_the_plugins_of_the_package_are_listed_sorted() -> None:
    folder = Path(plugins.__file__).parent / "engines" / "kinds"
    assert plugins.available(KINDS) == sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    assert {"sglang", "vllm"} <= set(plugins.available(KINDS))


def test_a_plugin_is_the_build_function_of_its_module() -> None:
    assert plugins.load(KINDS, "vllm") is vllm.build


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("vlm", "there is no engine kind 'vlm': did you mean vllm"),
        ("ollama9", "there is no engine kind 'ollama9': choose one of sglang, vllm"),
        ("", "there is no engine kind ''"),
        ("vllm.build", "there is no engine kind 'vllm.build'"),
        ("__init__", "there is no engine kind '__init__'"),
        ("../vllm", "there is no engine kind '../vllm'"),
    ],
)
def test_an_unknown_name_is_an_error_that_says_how_to_fix_it(name: str, fix: str) -> None:
    with pytest.raises(ValueError, match="there is no") as error:
        plugins.load(KINDS, name)
    assert str(error.value).startswith(fix)


def test_a_name_of_two_words_is_written_with_a_hyphen() -> None:
    assert plugins.available(plugins.PLACEMENTS) == ["consistent-hash", "least-pressure"]
    assert plugins.load(plugins.PLACEMENTS, "consistent-hash") is consistent_hash.build


def test_a_new_file_is_a_new_plugin(tmp_path: Path) -> None:
    before = plugins.available(KINDS)
    with added_plugin(KINDS.package, "tgi", "def build():\n    return 42\n", tmp_path):
        assert plugins.available(KINDS) == sorted([*before, "tgi"])
        assert plugins.load(KINDS, "tgi")() == 42  # type: ignore[comparison-overlap]  # it is no real engine kind
    assert plugins.available(KINDS) == before


@pytest.mark.parametrize(("attribute", "value"), [("build", 42), ("Factory.make", 43)])
@pytest.mark.usefixtures("outside")
def test_a_module_and_an_attribute_name_a_plugin_outside_the_package(attribute: str, value: int) -> None:
    name = f"outside_plugin:{attribute}"
    assert plugins.load(plugins.PLACEMENTS, name)() == value  # type: ignore[comparison-overlap]  # as above
    assert name not in plugins.available(plugins.PLACEMENTS)


def test_an_installed_package_adds_a_plugin_by_entry_point(outside: Path) -> None:
    with installed_plugin(outside, plugins.PLACEMENTS, "forty-two", "outside_plugin:build"):
        assert "forty-two" in plugins.available(plugins.PLACEMENTS)
        assert plugins.load(plugins.PLACEMENTS, "forty-two")() == 42  # type: ignore[comparison-overlap]  # as above
        assert "forty-two" not in plugins.available(plugins.LAWS), "the group is that of one kind"
    assert "forty-two" not in plugins.available(plugins.PLACEMENTS)


def test_an_entry_point_that_is_no_import_path_is_left_out(outside: Path) -> None:
    before = plugins.available(plugins.PLACEMENTS)
    with installed_plugin(outside, plugins.PLACEMENTS, "odd", "!?"):
        assert plugins.available(plugins.PLACEMENTS) == before


def test_a_plugin_of_this_package_is_not_replaced_by_an_entry_point_of_its_name(outside: Path) -> None:
    with installed_plugin(outside, plugins.PLACEMENTS, "consistent-hash", "outside_plugin:build"):
        assert plugins.load(plugins.PLACEMENTS, "consistent-hash") is consistent_hash.build
        assert plugins.available(plugins.PLACEMENTS).count("consistent-hash") == 1


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "no_such_package.laws:build",
            "control law 'no_such_package.laws:build': there is no module 'no_such_package': install its package or",
        ),
        ("outside_plugin:bild", "'bild' is not a function there: define build(options: Mapping"),
        ("outside_plugin:number", "'number' is not a function there"),
        ("outside_plugin:build.inner", "'build.inner' is not a function there"),
        ("outside_plugin:", "'outside_plugin:' is not an import path: write it as my_package.my_module:build"),
        (":build", "is not an import path"),
        ("../outside:build", "is not an import path"),
        ("a:b:c", "is not an import path"),
    ],
)
@pytest.mark.usefixtures("outside")
def test_a_wrong_import_path_is_an_error_that_says_how_to_fix_it(name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        plugins.load(plugins.LAWS, name)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import no_such_library\n", "there is no module 'no_such_library'"),
        ("1 / 0\n", "its module cannot be imported: ZeroDivisionError: division by zero"),
        ("def build(:\n", "its module cannot be imported: SyntaxError"),
        ("raise SystemExit('usage')\n", "its module cannot be imported: SystemExit: usage"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_an_error_with_its_reason(outside: Path, source: str, problem: str) -> None:
    (outside / "outside_plugin.py").write_text(source)
    with (
        installed_plugin(outside, plugins.LAWS, "broken", "outside_plugin:build"),
        pytest.raises(ValueError, match=r".") as error,
    ):
        plugins.load(plugins.LAWS, "broken")
    assert str(error.value).startswith("control law 'broken' (outside_plugin:build): ")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "interface", "arguments"),
    [
        (plugins.LAWS, ControlLaw, ({},)),
        (plugins.RECOGNISERS, Recogniser, (RecogniserOptions(),)),
        (plugins.ORDERS, QueueOrder, ()),
        (plugins.PLACEMENTS, Placement, ()),
    ],
)
def test_a_plugin_that_lacks_a_part_of_its_interface_is_refused(
    kind: plugins.PluginKind[Any], interface: type, arguments: tuple[object, ...]
) -> None:
    usual = {*vars(Protocol), *vars(type("Empty", (Protocol,), {}))}
    assert set(kind.members) == {
        name for name in vars(interface) if name not in usual and name not in {"__hash__", "__annotations__"}
    }
    for name in plugins.available(kind):
        plugins.build(kind, name, *arguments)
    problem = f"object has no {', '.join(kind.members)}: define build"
    with pytest.raises(plugins.PluginError, match=problem):
        plugins.build(kind, "tests.test_plugins:build_nothing", *arguments)


def build_nothing(*_: object) -> object:
    return object()


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def build(one, two, three):\n    pass\n", "missing"),
        ("def build(*_):\n    return {}['key']\n", "KeyError: 'key'"),
    ],
)
def test_a_plugin_that_cannot_be_built_is_an_error_that_shows_its_signature(
    outside: Path, source: str, problem: str
) -> None:
    (outside / "outside_plugin.py").write_text(source)
    with pytest.raises(plugins.PluginError, match=problem) as error:
        plugins.build(plugins.ORDERS, "outside_plugin:build")
    assert str(error.value).startswith("queue order 'outside_plugin:build': ")
    assert str(error.value).endswith(": define build() -> QueueOrder")


@pytest.mark.parametrize(
    ("name", "shown"), [("my_law", "my_law:build"), ("a.my_law.make", "a.my_law:make"), ("my-own", "my_module:build")]
)
def test_an_unknown_name_is_shown_as_an_import_path(name: str, shown: str) -> None:
    with pytest.raises(ValueError, match=f"; or write an import path with a colon, {shown}$"):
        plugins.load(plugins.LAWS, name)


def test_a_simulation_compares_a_law_from_outside(outside: Path) -> None:
    (outside / "outside_law.py").write_text("from concur_proxy.control.laws.static import build\n")
    command = [sys.executable, "-m", "concur_proxy", "simulate", "--law", "outside_law:build:window=2"]
    environment = {**os.environ, "COLUMNS": "120", "PYTHONPATH": os.pathsep.join([str(outside), *sys.path])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "outside_law:build:window=2" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def build(options):\n    return options['no such']\n", "building it failed: KeyError: 'no such'"),
        ("def build():\n    pass\n", "building it failed: TypeError: build() takes 0 positional arguments"),
        ("def build(options):\n    pass\n", "NoneType has no window, enforces, on_signal, on_overload: define build("),
        (
            "class Law:\n    enforces = True\n    window = property(lambda _: 1 / 0)\nbuild = lambda _: Law()\n",
            "building it failed: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_plugin_that_cannot_be_built_is_an_error_with_its_reason(outside: Path, source: str, problem: str) -> None:
    (outside / "outside_plugin.py").write_text(source)
    with pytest.raises(plugins.PluginError) as error:
        plugins.build(plugins.LAWS, "outside_plugin:build", {})
    assert str(error.value).startswith("control law 'outside_plugin:build': ")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_a_plugin_without_arguments_can_only_fail(outside: Path) -> None:
    (outside / "outside_plugin.py").write_text("def build():\n    raise ValueError('no licence')\n")
    with pytest.raises(plugins.PluginError, match="engine kind 'outside_plugin:build': building it failed: ValueError"):
        plugins.load_engine_kinds(["outside_plugin:build"])


def test_a_complaint_of_the_plugin_itself_is_passed_on() -> None:
    with pytest.raises(ValueError, match="window") as error:
        plugins.build(plugins.LAWS, "static", {"window": 0})
    assert not isinstance(error.value, plugins.PluginError)


@pytest.mark.parametrize("kind", [plugins.RECOGNISERS, plugins.ORDERS, plugins.PLACEMENTS])
def test_a_plugin_that_returns_something_else_is_an_error(
    outside: Path, kind: plugins.PluginKind[Callable[..., object]]
) -> None:
    (outside / "outside_plugin.py").write_text("def build(*_):\n    return 42\n")
    with pytest.raises(plugins.PluginError, match=f"{kind.title} 'outside_plugin:build': int has no .*: define build"):
        plugins.build(kind, "outside_plugin:build")
