import json

import pytest

from concur_proxy.lab.server.example import example
from concur_proxy.lab.server.tools import Tool, ToolChoice, choose_call, rendered

READ = Tool("read", {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]})
LIST = Tool("list", {"type": "object", "properties": {}})
FINISH = Tool("final_answer", {"type": "object", "properties": {"answer": {}}, "required": ["answer"]})
AUTO = ToolChoice()


def names(tools: list[Tool], choice: ToolChoice = AUTO, *, turns: int = 6, tool_turns: int = 3) -> list[str]:
    calls = [choose_call(tools, choice, turn=turn, tool_turns=tool_turns) for turn in range(turns)]
    return ["" if call is None else call.name for call in calls]


def test_tools_are_called_in_turn_and_then_comes_a_text() -> None:
    assert names([READ, LIST]) == ["read", "list", "read", "", "read", "list"]


def test_the_tool_that_ends_a_loop_is_called_last() -> None:
    assert names([FINISH, READ], turns=4) == ["read", "read", "read", "final_answer"]


def test_without_tool_turns_or_tools_there_is_a_text() -> None:
    assert names([READ, FINISH], turns=2, tool_turns=0) == ["", ""]
    assert names([], turns=2) == ["", ""]


def test_the_clients_choice_counts() -> None:
    assert names([READ, LIST], ToolChoice(is_forbidden=True), turns=2) == ["", ""]
    assert names([READ, LIST], ToolChoice(is_required=True), turns=2, tool_turns=0) == ["read", "read"]
    assert names([READ, LIST], ToolChoice(name="list"), turns=2, tool_turns=0) == ["list", "list"]


def test_a_call_has_an_id_of_its_own_and_valid_arguments() -> None:
    first, second = (choose_call([READ], AUTO, turn=0, tool_turns=1) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert json.loads(first.arguments) == {"path": "pwd"}


def test_white_space_in_arguments_makes_no_difference() -> None:
    assert rendered("f", '{"a": 1}') == rendered("f", '{"a":1}') == 'f{"a":1}'
    assert rendered("f", "not json") == "fnot json"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": ["number", "null"]}, 1),
        ({"type": "boolean"}, False),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 7}, 7),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "pwd"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"type": "array", "items": {"type": "integer"}}, []),
        ({"$ref": "#/$defs/City", "$defs": {"City": {"type": "string"}}}, "pwd"),
        ({"$ref": "#/$defs/Nothing"}, None),
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}, {"a": "pwd"}),
        (True, None),
    ],
)
def test_the_simplest_value_of_a_schema(schema: object, value: object) -> None:
    assert example(schema, schema if isinstance(schema, dict) else {}) == value


def test_a_schema_that_contains_itself_ends() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}}}
    assert "null" in json.dumps(example(schema, schema))
