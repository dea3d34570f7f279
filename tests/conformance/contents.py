"""The texts, schemas and listings that the official suite looks for in the server it tests."""

from __future__ import annotations

import base64
from typing import Any

import mcp_types as types

PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU"
    b"\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
).decode()
WAV = base64.b64encode(
    b"RIFF&\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0@\x1f\0\0\x80>\0\0\x02\0\x10\0data\x02\0\0\0\0\0"
).decode()

NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
STATUSES = ["active", "inactive", "pending"]
OPTIONS = ["option1", "option2", "option3"]
TITLED = [
    {"const": "value1", "title": "First"},
    {"const": "value2", "title": "Second"},
    {"const": "value3", "title": "Third"},
]


def text(words: str) -> types.TextContent:
    """A block of text."""
    return types.TextContent(text=words)


def image() -> types.ImageContent:
    """A black pixel."""
    return types.ImageContent(data=PNG, mime_type="image/png")


def embedded(uri: str, kind: str, words: str) -> types.EmbeddedResource:
    """A resource inside an answer."""
    content = types.TextResourceContents(uri=uri, mime_type=kind, text=words)
    return types.EmbeddedResource(resource=content)


def schema(required: bool = True, **properties: dict[str, Any]) -> dict[str, Any]:
    """An object of these properties."""
    whole: dict[str, Any] = {"type": "object", "properties": properties}
    return whole | ({"required": list(properties)} if required else {})


def said(name: str) -> dict[str, Any]:
    """One text, which must be given."""
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


BLOCKS: dict[str, list[types.ContentBlock]] = {
    "test_simple_text": [text("This is a simple text response for testing.")],
    "test_image_content": [image()],
    "test_audio_content": [types.AudioContent(data=WAV, mime_type="audio/wav")],
    "test_embedded_resource": [
        embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    ],
    "test_multiple_content_types": [
        text("Multiple content types test:"),
        image(),
        embedded(
            "test://mixed-content-resource", "application/json", '{"test":"data","value":123}'
        ),
    ],
}

DEFAULTS = schema(
    required=False,
    name={"type": "string", "default": "John Doe"},
    age={"type": "integer", "default": 30},
    score={"type": "number", "default": 95.5},
    status={"type": "string", "enum": STATUSES, "default": "active"},
    verified={"type": "boolean", "default": True},
)
CHOICES = schema(
    required=False,
    untitledSingle={"type": "string", "enum": OPTIONS},
    titledSingle={"type": "string", "oneOf": TITLED},
    legacyEnum={
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    untitledMulti={"type": "array", "items": {"type": "string", "enum": OPTIONS}},
    titledMulti={"type": "array", "items": {"anyOf": TITLED}},
)

MODERN_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

INPUTS: dict[str, dict[str, Any]] = {
    "json_schema_2020_12_tool": MODERN_SCHEMA,
    "test_sampling": said("prompt"),
    "test_elicitation": said("message"),
    "test_custom_headers": schema(
        required=False, region={"type": "string", "x-mcp-header": "Region"}
    ),
}

RESOURCES = {
    "test://static-text": "text/plain",
    "test://static-binary": "image/png",
    "test://watched-resource": "text/plain",
}
TEMPLATE = types.ResourceTemplate(
    name="template",
    uri_template="test://template/{id}/data",
    description="One for each id.",
    mime_type="application/json",
)
PROMPTS = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
}
