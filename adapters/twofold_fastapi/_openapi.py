"""The description of headers and problem details in OpenAPI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI

from twofold.ports import LONGEST_KEY

from ._headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY
from ._responses import MEDIA_TYPE

_PROBLEM: Final = {
    "type": "object",
    "title": "ProblemDetails",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The kind of problem."},
        "title": {"type": "string", "description": "A summary of the kind of problem."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What is wrong with this request."},
        "instance": {"type": "string", "format": "uri-reference", "description": "The path of the request."},
    },
    "additionalProperties": True,
}
_TOKEN: Final = {
    "description": f"Send this text as {CONSISTENCY_TOKEN} with later requests, which then see the changes of this one.",
    "schema": {"type": "string"},
}
_RETRY: Final = {"description": "Seconds until a repetition makes sense.", "schema": {"type": "integer"}}

_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    CONSISTENCY_TOKEN: {"type": "string"},
    IDEMPOTENCY_KEY: {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[ -~]+$"},
}
"""The schemas of headers. FastAPI describes an optional header as a string or null, and a header cannot be null."""

_PROBLEMS: Final = {
    "400": "A token, a key, a cursor or a filter is not valid",
    "404": "The resource does not exist",
    "409": "A conflict with a concurrent request, or a key that was used before",
    "503": "The answer is not ready, or the service is not available for the moment",
}

REQUIRED: Final = "x-twofold-required"
"""Marks a header as required. FastAPI would answer a missing one with a 422 in its own format."""


def describe_in_openapi(api: FastAPI) -> None:
    """Describe the headers of responses and the problem details in the OpenAPI schema of a web application.

    Operations count that have one of the headers as a parameter. A response that a route describes itself is not changed.
    """
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        schema = generate()
        for operation in _operations(schema):
            _describe(operation)
            schema.setdefault("components", {}).setdefault("schemas", {}).setdefault("ProblemDetails", _PROBLEM)
        return schema

    api.openapi = openapi  # type: ignore[method-assign]  # the way that FastAPI documents


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in schema.get("paths", {}).values():
        for operation in item.values():
            if isinstance(operation, dict) and _headers(operation) & {CONSISTENCY_TOKEN, IDEMPOTENCY_KEY}:
                yield operation


def _headers(operation: dict[str, Any]) -> set[str]:
    return {each["name"] for each in operation.get("parameters", ()) if each.get("in") == "header"}


def _describe(operation: dict[str, Any]) -> None:
    for parameter in operation["parameters"]:
        if parameter.get("schema", {}).pop(REQUIRED, False):
            parameter["required"] = True
        if parameter["in"] == "header" and parameter["name"] in _SCHEMAS:
            parameter["schema"] = dict(_SCHEMAS[parameter["name"]])
    responses = operation.setdefault("responses", {})
    for status, description in _PROBLEMS.items():
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
        responses.setdefault(status, {"description": description, "content": content})
    responses["503"].setdefault("headers", {}).setdefault("Retry-After", _RETRY)
    if CONSISTENCY_TOKEN in _headers(operation):
        for status, response in responses.items():
            if status != "400":
                response.setdefault("headers", {}).setdefault(CONSISTENCY_TOKEN, _TOKEN)
