"""The example of an orchestrator: over this repository, killed and started again, and in full."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from scheduler import Task, open_scheduler

PROGRAM = Path(__file__).parent.parent / "examples" / "orchestrator" / "orchestrate.py"
PATIENCE = 60.0  # seconds; on an idle machine each run takes one to ten

pytestmark = pytest.mark.process

IMPORT_RULES = """
[tool.importlinter]
root_packages = ["mill"]

[[tool.importlinter.contracts]]
name = "The wheel does not know the gears"
type = "forbidden"
source_modules = ["mill.wheel"]
forbidden_modules = ["mill.gears"]
"""
FLAKY = """
from pathlib import Path


def test_flaky():
    seen = Path("seen")
    if not seen.exists():
        seen.touch()
        raise OSError("the first attempt fails")
"""
SLOW = """
import os
import time
from pathlib import Path


def test_slow():
    Path("pid").write_text(str(os.getpid()))
    while not Path("go").exists():
        time.sleep(0.02)
"""


@pytest.fixture
def mill(tmp_path: Path) -> Path:
    """A small repository, all good."""
    for path, text in {
        "pyproject.toml": IMPORT_RULES,
        "README.md": "[The wheel](mill/wheel.py)\n",
        "mill/__init__.py": "",
        "mill/py.typed": "",
        "mill/wheel.py": "SPOKES = 8\n",
        "mill/gears.py": "TEETH = 40\n",
        "dam/__init__.py": "HEIGHT = 3\n",
        "dam/py.typed": "",
        "tests/daily/test_it.py": "def test_it():\n    pass\n",
    }.items():
        write(tmp_path / path, text)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.lstrip())


def start(*options: str) -> subprocess.Popen[str]:
    words = [sys.executable, str(PROGRAM), *options]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(*options: str) -> tuple[int, str]:
    """The exit code, and what was printed."""
    return finish(start(*options))


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    with process:
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    return process.returncode, output


def told(what: str, output: str) -> list[str]:
    """Of which steps it was told, in order."""
    return re.findall(rf"^ *[\d.]+  {what} +(.+?)(?:  .*)?$", output, re.MULTILINE)


def report_of(root: Path) -> dict[str, Any]:
    report = json.loads((root / "build" / "quality" / "report.json").read_text())
    assert isinstance(report, dict)
    return report


def text_in(path: Path) -> str:
    """As soon as there is some."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.02)
    raise TimeoutError(path)


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.02)
    raise TimeoutError(pid)


def test_the_fast_path_over_this_repository(tmp_path: Path) -> None:
    """Real tools; an agent claims what no handler does, and asks for a step. Then all is done."""
    database = str(tmp_path / "tasks.db")
    code, output = run("--fast", "--agents", "--db", database)
    assert code == 0, output
    done = told("done", output)
    assert {"Lint", "Format", "Import rules", "Split the tests", "Report"} < set(done)
    assert "Test tests/domain/test_ids.py" in done
    assert done[-2].startswith("Second look at tests/")
    assert done[-1] == "Review the report"
    assert re.search(r"^  Lint +completed +1 +[\d.]+  All checks passed!$", output, re.MULTILINE)

    code, output = run("--fast", "--agents", "--db", database)
    assert code == 0, output
    assert "everything was done before" in output
    assert "good: 0 steps begun in this run" in output


def test_another_run_tries_only_what_failed(mill: Path) -> None:
    """A step that fails takes the review along: the report fails. Nothing else is repeated."""
    write(mill / "mill" / "wheel.py", "import os\n")
    code, output = run("--fast", "--root", str(mill))
    assert code == 1, output
    assert told("FAILED", output) == ["Lint", "Report"]
    assert told("cancelled", output) == ["Split the tests", "Review the report"]
    assert report_of(mill)["failed"] == ["Lint", "Split the tests"]

    code, output = run("--fast", "--root", str(mill))
    assert code == 1, output
    assert told("begins", output) == ["Lint", "Report"]


def test_a_flaky_test_is_tried_again(mill: Path) -> None:
    """And the report tells how often."""
    write(mill / "tests" / "daily" / "test_it.py", FLAKY)
    code, output = run("--fast", "--root", str(mill))
    assert code == 0, output
    assert told("again", output) == ["Test tests/daily/test_it.py"]
    attempts = {step["step"]: step["attempts"] for step in report_of(mill)["steps"]}
    assert attempts["Test tests/daily/test_it.py"] == 2
    assert attempts["Lint"] == 1


def test_all_steps(mill: Path) -> None:
    """One for each package and each folder of tests; one type checker at a time."""
    write(mill / "tests" / "nightly" / "test_more.py", "def test_more():\n    pass\n")
    code, output = run("--root", str(mill))
    assert code == 0, output
    done = set(told("done", output))
    assert {"Test tests/daily", "Test tests/nightly", "Links between pages"} < done
    first, second = trio.run(type_checks, mill / "build" / "quality" / "tasks.db")
    assert first.finished_s is not None
    assert second.started_s is not None
    assert first.finished_s <= second.started_s


async def type_checks(database: Path) -> list[Task]:
    """In the order in which they began."""
    async with open_scheduler(database) as scheduler:
        page = await scheduler.list(agent_type="types")
    return sorted(page.tasks, key=lambda task: task.started_s or 0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_it_goes_on_where_it_was(mill: Path, number: signal.Signals) -> None:
    """Its commands end with it, and what was done stays done. Meanwhile no other has the file."""
    write(mill / "tests" / "daily" / "test_it.py", SLOW)
    process = start("--fast", "--root", str(mill))
    tests = int(text_in(mill / "pid"))
    second, refused = run("--fast", "--root", str(mill))
    process.send_signal(number)
    code, output = finish(process)
    assert (second, "is in use by process" in refused) == (2, True), refused
    assert code == (130 if number == signal.SIGINT else -number), output
    until_gone(tests)

    write(mill / "go", "")
    code, output = run("--fast", "--root", str(mill))
    assert code == 0, output
    assert "goes on where it was" in output
    begun = told("begins", output)
    assert {"Test tests/daily/test_it.py", "Report"} <= set(begun)
    assert "Lint" not in begun
    assert "Split the tests" not in begun


def test_another_tree_is_another_run(mill: Path) -> None:
    """What was left of the first is dropped, but comes back with its tree, and is then done."""
    source, test = mill / "mill" / "wheel.py", mill / "tests" / "daily" / "test_it.py"
    write(test, SLOW)
    process = start("--fast", "--root", str(mill))
    text_in(mill / "pid")
    process.kill()
    finish(process)
    write(mill / "go", "")

    write(source, "SPOKES = 9\n")
    code, output = run("--fast", "--root", str(mill))
    assert code == 0, output
    assert told("done", output).count("Report") == 1
    assert "5 of 5 steps are good" in output

    write(source, "SPOKES = 8\n")
    code, output = run("--fast", "--root", str(mill))
    assert code == 0, output
    assert "goes on where it was" in output
    assert {"Test tests/daily/test_it.py", "Report"} <= set(told("done", output))
    assert "Lint" not in told("begins", output)
