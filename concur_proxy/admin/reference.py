"""The reference of the admin API as a page, made from its OpenAPI document. It contains no data of this gateway."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from typing import Any

STYLE = """\
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; overflow-wrap: anywhere; }
code { font-family: ui-monospace, monospace; background: var(--soft); padding: .1em .3em; border-radius: .2em; }
div { overflow-x: auto; } table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top;
padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); } th { font-weight: 600; }
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page's content security policy."""

_HEAD = f"""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>concur-proxy: API reference</title>
<style>{STYLE}</style>
<h1>The gateway's own API</h1>
<p>Clients call the engines' APIs at the main port, unchanged. These are the paths that the gateway answers itself. With
an <code>admin_key</code>, send it as <code>Authorization: Bearer KEY</code>. Without one, only the gateway's own
machine may call this API, by default at the main port plus 1000. For machines: <a href="v1/openapi.json">OpenAPI</a>.
<a href="./">Live page</a>.</p>
"""


def reference_page(document: Mapping[str, Any]) -> str:
    """The page for this OpenAPI document."""
    schemas = document.get("components", {}).get("schemas", {})
    parts = [_HEAD]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(method.upper(), path, operation)
    parts.append("<h1>Objects</h1>")
    for name, schema in schemas.items():
        parts.append(f'<h2 id="{escape(name)}">{escape(name)}</h2>')
        parts.append(_paragraph(schema.get("description")))
        parts += _fields(schema)
    return "\n".join([*parts, "</html>", ""])


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method} {escape(path)}</code></h2>"
    yield _paragraph(operation.get("description") or operation.get("summary"))
    parameters = operation.get("parameters", [])
    if parameters:
        properties = {each["name"]: each["schema"] for each in parameters}
        yield from _fields({"properties": properties}, heading="query")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body is not None:
        yield _paragraph(body.get("description"))
        yield from _fields(body, heading="body")
    rows = [
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td><td>{_content(answer)}</td></tr>"
        for status, answer in operation.get("responses", {}).items()
    ]
    yield f"<div><table><tr><th>status</th><th>meaning</th><th>body</th></tr>{''.join(rows)}</table></div>"


def _content(answer: Mapping[str, Any]) -> str:
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    return _type(schema) if schema else ""


def _fields(schema: Mapping[str, Any], *, heading: str = "field") -> Iterator[str]:
    required = schema.get("required", ())
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{_type(field)}{', required' if name in required else ''}</td>"
        f"<td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    if rows:
        yield f"<div><table><tr><th>{heading}</th><th>type</th><th></th></tr>{''.join(rows)}</table></div>"


def _type(schema: Mapping[str, Any]) -> str:
    """The type in words, with links to the objects of this page."""
    if (reference := schema.get("$ref")) is not None:
        name = escape(reference.rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if (choices := schema.get("anyOf")) is not None:
        return " or ".join(map(_type, choices))
    if "enum" in schema:
        return " or ".join(escape(repr(value)) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "any")))


def _paragraph(text: str | None) -> str:
    return f"<p>{escape(text)}</p>" if text else ""
