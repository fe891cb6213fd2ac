"""The JSON Schema of the configuration, for editors, and look-ups in it for messages.

Editors see one widening: a value that is not text may also be a `${NAME}` reference.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from proxy.settings.mistakes import Path
from proxy.settings.root import Settings

Node = dict[str, Any]
_REFERENCE: Node = {"type": "string", "pattern": r"\$\{", "description": "Taken from the environment."}


@cache
def _plain_schema() -> Node:
    return Settings.model_json_schema(by_alias=True)


def schema() -> Node:
    """JSON Schema (draft 2020-12) of the YAML file: types, enums, defaults, a description on every key."""
    out = _widen(_plain_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **out,
        "title": "Switchyard configuration",
    }


def _widen(node: Any) -> Any:
    if isinstance(node, list):
        return [_widen(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _widen(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}
    if isinstance(node.get("properties"), dict):
        out["properties"] = {name: _or_reference(value) for name, value in out["properties"].items()}
    return out


def _or_reference(node: Node) -> Node:
    kind = node.get("type")
    plain_text = kind == "string" and not node.keys() & {"pattern", "enum", "format", "const", "minLength"}
    if plain_text or kind in ("object", "array") or "$ref" in node or _mentions_records(node):
        return node
    about: Node = {key: node[key] for key in ("description", "default") if key in node}
    rest = {key: value for key, value in node.items() if key not in about}
    branches = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return {"anyOf": [*branches, _REFERENCE], **about}


def _mentions_records(node: Node) -> bool:
    return any(
        "$ref" in branch or branch.get("type") in ("object", "array") for branch in node.get("anyOf", ())
    )


def allowed_at(path: Path) -> tuple[str, ...]:
    """What may be written at `path`: the keys of a record, the values of a choice; () when anything goes."""
    nodes = [_plain_schema()]
    for part in path:
        nodes = [found for node in nodes for found in _step(node, part)]
    return tuple(dict.fromkeys(name for node in nodes for name in _names(node)))


def _branches(node: Node) -> Iterator[Node]:
    if "$ref" in node:
        node = _plain_schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in node:
        for branch in node["anyOf"]:
            yield from _branches(branch)
    else:
        yield node


def _step(node: Node, part: str | int) -> Iterator[Node]:
    for branch in _branches(node):
        if isinstance(part, int):
            if "items" in branch:
                yield branch["items"]
        elif part in branch.get("properties", {}):
            yield branch["properties"][part]
        elif isinstance(branch.get("additionalProperties"), dict):
            yield branch["additionalProperties"]
        elif isinstance(branch.get("patternProperties"), dict):
            yield from branch["patternProperties"].values()


def _names(node: Node) -> Iterator[str]:
    for branch in _branches(node):
        yield from branch.get("properties", ())
        yield from map(str, branch.get("enum", ()))
        yield from branch.get("propertyNames", {}).get("enum", ())
        if "const" in branch:
            yield str(branch["const"])
