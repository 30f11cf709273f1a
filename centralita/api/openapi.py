"""The OpenAPI 3.1 document, made from the endpoints and the types of their bodies.

`python -m centralita.api.openapi` writes docs/openapi.json, `--check` says whether it is current.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from pathlib import Path

import msgspec

from centralita.api import live_messages, schemas
from centralita.api.endpoints import ENDPOINTS, PREFIX, Endpoint

JsonDict = dict[str, object]

REF = "#/components/schemas/{name}"
FILE = Path(__file__).parents[2] / "docs" / "openapi.json"

ERRORS = {
    400: "The request is malformed, or a value in it; `place` says where.",
    401: "Not signed in, or no longer.",
    403: "The role does not allow it, or the CSRF token is missing.",
    404: "There is no such thing.",
    409: "The state of things does not allow it.",
    413: "The body is too large.",
    429: "Too many attempts; see Retry-After.",
    503: "A part that is needed cannot serve just now.",
}

LIVE: JsonDict = {
    "get": {
        "operationId": "live",
        "summary": "WebSocket: a snapshot, then deltas (schema LiveMessage).",
        "description": (
            "Authorised by the page's cookie (same origin only), by `Authorization: Bearer`, or by "
            "a first message LiveSignIn. Agents get only their own offers, calls and wrap-ups. "
            "Closed with 4401 when the session has ended and with 4408 when the reader is too slow."
        ),
        "responses": {"101": {"description": "Switching to WebSocket."}},
        "tags": ["live"],
    }
}


def document() -> JsonDict:
    """The whole document, as JSON values."""
    types: list[object] = [schemas.Error, live_messages.LiveSignIn]
    for endpoint in ENDPOINTS:
        types += [kind for kind in endpoint.answers.values() if kind not in (None, bytes)]
        types += [kind for kind in (endpoint.body, endpoint.query) if kind is not None]
    types += [schemas.Health, live_messages.LiveMessage]
    refs, components = msgspec.json.schema_components(types, ref_template=REF)
    by_type = {str(kind): ref for kind, ref in zip(types, refs, strict=True)}
    components["LiveMessage"] = by_type[str(live_messages.LiveMessage)]
    sent = {
        re.sub(r"\W", "_", kind.__name__)
        for module in (schemas, live_messages)
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, schemas.Answer | live_messages.Message)
    }
    for name, schema in components.items():
        schema.pop("title", None)
        if "description" in schema:  # Python 3.13 takes the indentation away by itself
            schema["description"] = inspect.cleandoc(schema["description"])
        if name in sent or name.startswith("Page_"):
            schema["required"] = list(schema["properties"])  # we always send every field
    paths: dict[str, JsonDict] = {}
    for endpoint in ENDPOINTS:
        item = paths.setdefault(PREFIX + endpoint.path, {})
        item[endpoint.method.lower()] = _operation(endpoint, by_type, components)
    for endpoint in ENDPOINTS:
        if endpoint.query is not None:  # they are spelled out as parameters
            components.pop(endpoint.query.__name__, None)
    paths[PREFIX + "/live"] = LIVE
    paths["/healthz"] = {"get": _health(by_type[str(schemas.Health)])}
    found: JsonDict = {
        "openapi": "3.1.0",
        "info": {
            "title": "Centralita",
            "version": "1",
            "description": (schemas.__doc__ or "").strip(),
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "security": [{"bearer": []}, {"cookie": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "centralita_session"},
            },
        },
    }
    # A default that is a tuple is an array to whoever reads it.
    return msgspec.json.decode(msgspec.json.encode(found), type=JsonDict)


def _operation(
    endpoint: Endpoint, by_type: dict[str, JsonDict], components: dict[str, JsonDict]
) -> JsonDict:
    responses: JsonDict = {}
    for status, kind in endpoint.answers.items():
        responses[str(status)] = _response(kind, by_type)
    error = {"application/json": {"schema": by_type[str(schemas.Error)]}}
    for status, meaning in ERRORS.items():
        responses.setdefault(str(status), {"description": meaning, "content": error})
    names = re.findall(r"{(\w+)}", endpoint.path)
    parameters: list[JsonDict] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    if endpoint.query is not None:
        schema = components[endpoint.query.__name__]
        properties = schema["properties"]
        assert isinstance(properties, dict)
        parameters += [
            {"name": name, "in": "query", "required": False, "schema": kind}
            for name, kind in properties.items()
        ]
    operation: JsonDict = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.path.split("/")[1]],
        "x-role": endpoint.role,
        "responses": responses,
    }
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": by_type[str(endpoint.body)]}},
        }
    if endpoint.role is None:
        operation["security"] = []
    return operation


def _response(kind: object, by_type: dict[str, JsonDict]) -> JsonDict:
    if kind is None:
        return {"description": "Done."}
    if kind is bytes:
        return {
            "description": "The sound.",
            "content": {"audio/flac": {"schema": {"type": "string", "format": "binary"}}},
        }
    return {
        "description": "The answer.",
        "content": {"application/json": {"schema": by_type[str(kind)]}},
    }


def _health(ref: JsonDict) -> JsonDict:
    content = {"application/json": {"schema": ref}}
    return {
        "operationId": "healthz",
        "summary": "Whether calls can be taken.",
        "tags": ["health"],
        "security": [],
        "responses": {
            "200": {"description": "Calls can be taken.", "content": content},
            "503": {"description": "They can't.", "content": content},
        },
    }


def text() -> str:
    """The document as the file holds it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write or check docs/openapi.json."""
    parser = argparse.ArgumentParser(prog="python -m centralita.api.openapi")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    if parser.parse_args(argv).check:
        if FILE.exists() and FILE.read_text() == text():
            return 0
        print("docs/openapi.json is not current; run: python -m centralita.api.openapi")
        return 1
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
