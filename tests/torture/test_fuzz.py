"""What comes in after an accident harms nobody else; larger runs are `python -m torture.fuzz`."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from torture.fuzz import files, requests, specimen, wire, workflows
from torture.fuzz.damage import KINDS
from torture.fuzz.judging import Expected, Heard
from torture.fuzz.specimen import Specimen

SEED = 1


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Specimen:
    return specimen.make(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind: str, sound: Specimen, tmp_path: Path) -> None:
    """Each is refused, or told by the doctor, or tells the truth, or nobody could tell."""
    logging.disable(logging.CRITICAL)
    try:
        case = files.judge(kind, SEED, 0, sound, tmp_path)
    finally:
        logging.disable(logging.NOTSET)
    assert not case.wrong, case


def test_conversations_over_pipes() -> None:
    """Every call has one answer, and a well-behaved client beside it notices nothing."""
    for number in range(6):
        played = wire.play(SEED, number, lines=36)
        assert not played.wrong, (number, played.wrong)
        assert played.answers > 30


def test_requests_over_http(tmp_path: Path) -> None:
    """Answered in HTTP or cut off; nothing comes in without the token."""
    for number in range(3):
        played = requests.play(SEED, number, tmp_path, requests=25)
        assert not played.wrong, (number, played.wrong)
        assert played.answered and played.refused


def test_workflow_files(tmp_path: Path) -> None:
    """A clear error, or every task is enqueued, and worked off where that starts nothing."""
    cases = [workflows.judge(SEED, number, tmp_path) for number in range(120)]
    assert [case for case in cases if case.wrong] == []
    assert any(case.ran for case in cases) and any(case.refused for case in cases)


def test_a_case_is_the_same_again(sound: Specimen) -> None:
    """From its seed and number alone."""
    for kind in KINDS:
        assert files.damaged(kind, 3, 4, sound) == files.damaged(kind, 3, 4, sound)
    assert wire.play(3, 4, lines=12) == wire.play(3, 4, lines=12)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"nonsense", "no JSON"),
        (b'{"id": 1}', "no JSON-RPC"),
        (b'{"jsonrpc": "2.0", "id": 1, "result": NaN}', "no JSON"),
        (b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 5, "message": "x"}}', "unknown code"),
        (b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32700, "message": "c4n4ry"}}', "repeats"),
        (
            b'{"jsonrpc": "2.0", "id": 1, "result": {"isError": true, "structuredContent": '
            b'{"code": "internal_error"}}}',
            "nobody foresaw",
        ),
        (
            b'{"jsonrpc": "2.0", "id": 1, "result": {"isError": true, "structuredContent": '
            b'{"code": "x", "received": "c4n4ry", "hint": "c4n4ry"}}}',
            "repeats",
        ),
    ],
)
def test_the_judge_can_find_fault(line: bytes, fault: str) -> None:
    """With each kind of answer that should not be."""
    heard = Heard()
    heard.take(line)
    assert any(fault in what for what in heard.wrong)


def test_the_judge_counts_answers() -> None:
    """One that is missing, one too many, and none for what wants none."""
    expected, heard = Expected(), Heard()
    for line in (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', b"{", b" ", b'{"result":1}'):
        expected.sent(line)
    heard.take(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}')
    heard.compare(expected)
    assert heard.wrong == ["the call 1 was not answered", "1 answers instead of 2"]
    for _ in range(2):
        heard.take(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    heard.wrong.clear()
    heard.compare(expected)
    assert heard.wrong == ["3 answers instead of 2"]
