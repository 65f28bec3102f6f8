"""The description of the API: as OpenAPI, and as one page that asks for nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.access import Caller, require
from app.answers import JsonAnswer

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code { font: 14px ui-monospace, monospace; overflow-wrap: anywhere }
section { border-top: 1px solid #8886; margin-top: 1.5rem }
h2 { font-size: 1rem; margin-bottom: 0 }
table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0; vertical-align: top }
:root { color-scheme: light dark }
"""
STYLE_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_DIGEST}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)

Reader = Annotated[Caller, Depends(require("read"))]


@router.get("/openapi.json")
def get_openapi(request: Request, caller: Reader) -> JsonAnswer:
    """The OpenAPI document."""
    return JsonAnswer(request.app.openapi())


@router.get("/docs")
def get_docs(request: Request, caller: Reader) -> Response:
    """The same document for people."""
    page = render_docs(request.app.openapi())
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": POLICY})


def render_docs(schema: Mapping[str, Any]) -> str:
    """An HTML page that lists every path with its parameters, bodies and answers."""
    title = escape(schema["info"]["title"])
    sections = "".join(_operations(schema))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{title} API</h1>"
        '<p>Send a key as <code>Authorization: Bearer KEY</code>. Errors are <code>{"error": '
        'CLASS, "detail": SENTENCE}</code>. The same as <a href="/openapi.json">OpenAPI</a>.</p>'
        f"{sections}<h1>Bodies</h1>{''.join(_bodies(schema))}</body></html>"
    )


def _operations(schema: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield (
                f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
                f"<p>{escape(operation.get('description', ''))}</p>"
                f"<table>{''.join(_rows(operation))}</table></section>"
            )


def _rows(operation: Mapping[str, Any]) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        text = one.get("description") or _type_of(one.get("schema", {}))
        yield _row(f"{one['name']} ({one['in']})", text)
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield _row(f"body, {media_type}", _type_of(content.get("schema", {})))
    for status, answer in operation["responses"].items():
        shapes = [_type_of(one.get("schema", {})) for one in answer.get("content", {}).values()]
        yield _row(f"answer {status}", " or ".join(filter(None, shapes)) or answer["description"])


def _row(name: str, text: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>"


def _bodies(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, shape in schema.get("components", {}).get("schemas", {}).items():
        fields = "".join(
            _row(field, _type_of(one)) for field, one in shape.get("properties", {}).items()
        )
        text = escape(shape.get("description", ""))
        yield f"<section><h2>{escape(name)}</h2><p>{text}</p><table>{fields}</table></section>"


def _type_of(schema: Mapping[str, Any]) -> str:
    """A short name of a JSON schema, with its example where it has one."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(_type_of(one) for one in schema[key])
    name = str(schema.get("type", ""))
    if name == "array":
        name = f"list of {_type_of(schema.get('items', {}))}"
    if "enum" in schema:
        name = " | ".join(str(value) for value in schema["enum"])
    examples = schema.get("examples")
    return f"{name}, such as {examples[0]!r}" if examples else name
