"""The JSON Schema of a configuration (draft 2020-12), for editors and for `hms-gateway schema`.

Knows: how the model's classes become definitions, and that `${NAME}` may stand for any single value. Refuses to know:
any key: all of it is read from the model, its kinds and the texts under its keys. Strategy: what the schema accepts the
parser accepts in form; what only the parser can say (names, files, pairs) the schema leaves open.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import lru_cache
from typing import Any

from hmsgw.config import model
from hmsgw.config.model import Config
from hmsgw.config.records import record_of

_FROM_ENVIRONMENT = {
    "type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", "description": "From the environment.",
}  # fmt: skip


def json_schema() -> dict[str, Any]:
    """The schema, as plain data for JSON."""
    definitions: dict[str, Any] = {"FromEnvironment": _FROM_ENVIRONMENT}

    def ref(cls: type) -> dict[str, Any]:
        if cls.__name__ not in definitions:
            definitions[cls.__name__] = {}
            definitions[cls.__name__] = _definition(cls, ref)
        return {"$ref": f"#/$defs/{cls.__name__}"}

    top = _definition(Config, ref)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hms-gateway configuration",
        **top,
        "$defs": definitions,
    }


def _definition(cls: Any, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
    record = record_of(cls)
    texts = _texts().get(cls.__name__, {})
    by_name = {field.name: field for field in fields(cls)}
    properties = {}
    for key, shape in record.keys.items():
        found = _or_from_environment(shape.schema(ref))
        if key in texts:
            found = {**found, "description": texts[key]}
        properties[key] = found | _default(by_name[key])
    whole: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if record.required:
        whole["required"] = record.required
    if "" in texts:
        whole["description"] = texts[""]
    return whole


def _or_from_environment(schema: dict[str, Any]) -> dict[str, Any]:
    """A single value that is no free text may be `${NAME}` too."""
    is_free_text = schema.get("type") == "string" and "pattern" not in schema
    if is_free_text or "$ref" in schema or "not" in schema or schema.get("type") in ("object", "array"):
        return schema
    return {"anyOf": [schema, {"$ref": "#/$defs/FromEnvironment"}]}


def _default(field: Field[Any]) -> dict[str, Any]:
    if field.default is MISSING or field.default is None or is_dataclass(field.default):
        return {}
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return {} if default == "" or (isinstance(default, list) and any(is_dataclass(x) for x in default)) else {
        "default": default
    }  # fmt: skip


@lru_cache(maxsize=1)
def _texts() -> dict[str, dict[str, str]]:
    """class -> key -> the text under it in the model; the class's own under "". Empty when there is no source."""
    try:
        tree = ast.parse(inspect.getsource(model))
    except (OSError, TypeError):
        return {}
    found: dict[str, dict[str, str]] = {}
    for cls in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        texts = found[cls.name] = {}
        own = ast.get_docstring(cls)
        if own:
            texts[""] = " ".join(own.split())
        for before, node in zip(cls.body, cls.body[1:], strict=False):
            if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and _is_text(node):
                texts[before.target.id] = " ".join(ast.literal_eval(node.value).split())  # type: ignore[attr-defined]
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
