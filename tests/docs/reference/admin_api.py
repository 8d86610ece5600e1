"""The page of the admin API, from the OpenAPI description that a gateway serves."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx

from tests.docs.processes import running
from tests.docs.reference.page import code, codes, page, table

ABOUT = """\
The gateway's own paths. They are never passed on to an engine. Without the setting `admin_key`, the main port refuses
paths below `/concur/`: they are at `admin_listen`, by default <http://127.0.0.1:9300/concur/>. With `admin_key`, the
main port serves them to callers that send this key as `Authorization: Bearer KEY`. Clients may release their sessions
at the main port in any case.

A wrong key is counted (`concur_admin_wrong_keys_total`) and logged, and its answer is delayed by a second. The log has
one line for each call that changes something: who, what, and the status of the answer.

`GET /concur/v1/openapi.json` serves the same as an OpenAPI document. Bodies are JSON; a body of more than 64 KiB is
refused. Errors have the form `{"error": {"message": ..., "type": ..., "param": ..., "code": ...}}`.

When several gateways share a Redis, each of them answers for all: it passes the call on to the gateway that leads. It
answers 503 when the leader is silent for 2 s."""

Schema = Mapping[str, Any]


def admin_api_page() -> str:
    """The calls in one table, then a section for each object that they take or answer."""
    document = _document()
    calls = [
        [
            code(f"{method.upper()} {path}"),
            _takes(operation),
            _gives(operation),
            _refuses(operation),
            _summary(operation),
        ]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    schemas = document["components"]["schemas"]
    return page(
        "Admin API",
        ABOUT,
        "## Calls\n\n" + table(["Call", "Takes", "Answers", "Refuses with", "Meaning"], calls),
        "## Objects",
        *(_section(name, schema) for name, schema in sorted(schemas.items()) if schema.get("properties")),
    )


def _document() -> dict[str, Any]:
    with running("engine") as engine, running("serve", "--engine", engine, "--admin-listen", "main") as gateway:
        document: dict[str, Any] = httpx.get(f"{gateway}/concur/v1/openapi.json", trust_env=False).json()
    return document


def _summary(operation: Schema) -> str:
    return str(operation.get("description", operation["summary"]))


def _takes(operation: Schema) -> str:
    query = [f"`?{parameter['name']}=`" for parameter in operation.get("parameters", ())]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return ", ".join([*query, *(_argument(name, body) for name in body.get("properties", {}))])


def _argument(name: str, body: Schema) -> str:
    field = body["properties"][name]
    optional = "" if name in body.get("required", ()) else " (optional)"
    meaning = field.get("description")
    return f"`{name}`: {_kind(field)}{optional}" + (f" ({meaning})" if meaning else "")


def _gives(operation: Schema) -> str:
    content = operation["responses"]["200"].get("content", {})
    return _kind(content.get("application/json", {}).get("schema", {}))


def _refuses(operation: Schema) -> str:
    return ", ".join(status for status in operation["responses"] if int(status) >= HTTPStatus.BAD_REQUEST)


def _section(name: str, schema: Schema) -> str:
    rows = [[code(field), _kind(kind), kind.get("description", "")] for field, kind in schema["properties"].items()]
    return f"### {name}\n\n{schema.get('description', '')}\n\n" + table(["Field", "Type", "Meaning"], rows)


def _kind(schema: Schema) -> str:
    """A type in words, with a link to an object that has a section."""
    return " or ".join(dict.fromkeys(_kinds(schema)))


def _kinds(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        yield f"[{name}](#{name.lower()})"
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from _kinds(one)
    elif "enum" in schema:
        yield codes(map(str, schema["enum"]))
    elif schema.get("type") == "array":
        yield f"list of {_kind(schema['items'])}"
    elif schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        yield f"object of {_kind(schema['additionalProperties'])}"
    elif "type" in schema:
        yield str(schema["type"])
