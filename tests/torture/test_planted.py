"""The planted bugs follow the code: each still applies, and changes what it says."""

from __future__ import annotations

import pytest

from torture.planted.bugs import BUGS, Bug
from torture.planted.planting import ROOT, planted


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_applies(bug: Bug) -> None:
    """Its texts stand exactly once, what comes of them is Python, and its tests are there."""
    for change in bug.changes:
        compile(planted(bug, change, ROOT), change.file, "exec")
        assert change.old != change.new
    for test in bug.seen_by:
        assert (ROOT / test.partition("::")[0]).exists(), test


def test_there_are_enough() -> None:
    """With a name each."""
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 24
