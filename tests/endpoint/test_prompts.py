"""What is said of a prompt that is asked for wrongly."""

from __future__ import annotations

import json

import pytest
from mcp.shared.exceptions import MCPError

from scheduler.endpoint import prompts

HOSTILE = "\x1b[31m\u202e\u200b" + "x" * 500


@pytest.mark.parametrize(
    ("name", "arguments"),
    [(HOSTILE, {}), ("plan-work", {"goal": "x", HOSTILE: "y"})],
)
def test_a_hostile_word_is_shown_harmless(name: str, arguments: dict[str, str]) -> None:
    """Cut and escaped, whether it stands for a prompt or for an argument."""
    with pytest.raises(MCPError) as caught:
        prompts.get(name, arguments)
    received = caught.value.data["received"]
    assert received.startswith("\\x1b[31m\\u202e\\u200bxxx") and len(received) <= 80
    assert json.dumps(caught.value.data, ensure_ascii=False).isascii()
