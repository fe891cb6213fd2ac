"""Tools, choices and formats of chat in their odd shapes."""

import pytest

from tests.sandbox.kit import Caller, tool

REFUSED = [
    ({"tools": {}}, "tools", "invalid_type"),
    ({"tools": ["f"]}, "tools[0]", "invalid_type"),
    ({"tools": [{"function": {}}]}, "tools[0].type", "missing_required_parameter"),
    ({"tools": [tool() | {"function": {"name": 5}}]}, "tools[0].function.name", "invalid_type"),
    ({"tools": [tool() | {"function": {}}]}, "tools[0].function.name", "missing_required_parameter"),
    ({"tools": [tool() | {"function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters", "invalid_type"),
    ({"functions": {}}, "functions", "invalid_type"),
    ({"functions": []}, "functions", "empty_array"),
    ({"functions": [5]}, "functions[0]", "invalid_type"),
    ({"tools": [tool()], "tool_choice": 5}, "tool_choice", "invalid_type"),
    ({"tools": [tool()], "tool_choice": {"type": "gadget"}}, "tool_choice.type", "invalid_value"),
    ({"tools": [tool()], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools", "missing_required_parameter"),
    ({"response_format": {}}, "response_format.type", "missing_required_parameter"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True}}}, "response_format.json_schema.schema", "missing_required_parameter"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": 5}}}, "response_format.json_schema.schema", "invalid_type"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED, ids=str)
def test_an_odd_shape_is_refused_by_its_place(fields, param, code):
    """400 with `param` and `code`."""
    answer = Caller().chat(**fields)
    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, param, code)


def test_odd_but_legal_shapes_are_taken():
    """Empty parameters, a schema left out, allowed_tools."""
    api = Caller()
    bare = {"type": "function", "function": {"name": "f", "parameters": {}}}
    assert api.chat(tools=[bare], tool_choice="required").json["choices"][0]["message"]["tool_calls"]
    assert api.chat(response_format={"type": "json_schema", "json_schema": {"name": "n"}}).status == 200
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "beta"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    message = api.chat(tools=[tool("alpha"), tool("beta")], tool_choice=choice).json["choices"][0]["message"]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["beta"]


def test_a_model_without_structured_output_refuses_the_format():
    """gpt-4, before it retired."""
    answer = Caller(revive=frozenset({"gpt-4"})).chat(
        "gpt-4", response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
    )
    assert answer.error["code"] == "unsupported_parameter"
