"""The example of an orchestrator does what its page says, on a small repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "orchestrator"
PATIENCE = 60  # seconds until a test gives up on a process

PROJECT = """
[tool.importlinter]
root_packages = ["wheel"]
[[tool.importlinter.contracts]]
name = "The axle knows no wheel"
type = "forbidden"
source_modules = ["wheel.axle"]
forbidden_modules = ["wheel.rim"]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two modules, a rule for their imports, and a test."""
    root = tmp_path / "repository"
    for folder in ("wheel", "tests/demo"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text(PROJECT)
    for module in ("__init__", "axle", "rim"):
        (root / "wheel" / f"{module}.py").touch()
    (root / "tests/demo/test_it.py").write_text("def test_it() -> None:\n    assert True\n")
    return root


def words(repository: Path, *options: str) -> list[str]:
    script = str(EXAMPLE / "orchestrate.py")
    return [sys.executable, script, "--fast", "--root", str(repository), *options]


def orchestrate(repository: Path, *options: str) -> tuple[int, str]:
    """Run it to its end: the exit code, and what it printed."""
    environment = os.environ | {"PYTHONPATH": str(repository)}
    done = subprocess.run(
        words(repository, *options), capture_output=True, text=True, timeout=PATIENCE,
        env=environment, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def reported(repository: Path) -> dict[str, str]:
    """The status of each step, as the report file has it."""
    report: dict[str, Any] = json.loads((repository / "build/quality/report.json").read_text())
    return {step["step"]: step["status"] for step in report["steps"]}


def test_a_good_repository_and_an_agent(repository: Path) -> None:
    """All is good, an agent asks for a second look; run again, nothing is left to do."""
    code, out = orchestrate(repository, "--agents")
    assert code == 0, out
    assert "5 of 5 steps are good" in out
    assert "Review the report  by vera" in out
    assert "Second look at tests/demo/test_it.py" in out
    assert set(reported(repository).values()) == {"completed"}
    code, out = orchestrate(repository, "--agents")
    assert (code, out.splitlines()[-1]) == (0, "good: 0 steps begun in this run")


def test_a_bad_one(repository: Path) -> None:
    """What waits for the step that failed falls with it; once mended, all is checked anew."""
    axle = repository / "wheel" / "axle.py"
    axle.write_text("import os\n")
    code, out = orchestrate(repository)
    assert code == 1, out
    assert "FAILED     Lint  exit code 1" in out
    assert reported(repository) == {
        "Lint": "failed",
        "Import rules": "completed",
        "Format": "completed",
        "Split the tests": "cancelled",
    }
    axle.write_text("")
    code, out = orchestrate(repository)
    assert (code, "5 of 5 steps are good" in out) == (0, True), out


def test_the_same_in_asyncio(repository: Path) -> None:
    """Thirty lines that lint and report."""
    script = [sys.executable, str(EXAMPLE / "on_asyncio.py")]
    good = subprocess.run(script, cwd=repository, capture_output=True, text=True, check=True)
    assert good.stdout == "The lint: completed\nThe format: completed\n"
    (repository / "wheel" / "axle.py").write_text("import os\n")
    bad = subprocess.run(script, cwd=repository, capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout) == (1, "The lint: failed\nThe format: completed\n")
