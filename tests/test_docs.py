"""What the pages say is true, and what is there is on a page."""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import scheduler
from scheduler import Scheduler, SchedulerError, TaskSpec
from scheduler.cli.main import headrace
from scheduler.domain import errors
from scheduler.domain.spec import TaskFields

ROOT = Path(__file__).parent.parent


@pytest.mark.process
def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    """Word for word, in an empty folder."""
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example is not None
    done = subprocess.run(
        [sys.executable, "-c", example[1]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "does Build the wheel with {}" in done.stdout
    assert re.search(r"does Run the tests with \{'\w{13}': \{'by': '\w+'\}\}", done.stdout)
    assert done.stdout.count("completed:") == 2


def test_every_link_between_pages_leads_somewhere() -> None:
    """Also those into the code."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
        for path in re.findall(
            r"`((?:actors|scheduler|persistence)/[\w/]+\.py)`", page.read_text()
        ):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_every_field_of_a_task_is_documented() -> None:
    """In docs/tasks.md; and the keyword arguments are the fields of the spec."""
    page = (ROOT / "docs" / "tasks.md").read_text()
    fields = TaskSpec.__struct_fields__
    for field in fields:
        assert f"| `{field}` |" in page
    assert tuple(TaskFields.__annotations__) == fields[1:]


def test_every_public_name_is_there_and_documented() -> None:
    """`scheduler.__all__` is sorted, complete, and every method of the handle has a docstring."""
    assert list(scheduler.__all__) == sorted(scheduler.__all__, key=str)
    for name in scheduler.__all__:
        assert inspect.getdoc(getattr(scheduler, name)), name
    for name, method in inspect.getmembers(Scheduler, inspect.isfunction):
        assert name.startswith("_") or inspect.getdoc(method), name


def test_every_error_is_public_and_has_a_code_of_its_own() -> None:
    """And stands in the tree that the module draws."""
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, SchedulerError)
    ]
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert getattr(scheduler, kind.__name__) is kind
        assert kind.__name__ in (errors.__doc__ or "")


def test_every_command_is_documented() -> None:
    """In docs/cli.md."""
    page = (ROOT / "docs" / "cli.md").read_text()
    for command in headrace.list_commands(click.Context(headrace)):
        assert re.search(rf"\b{command}\b", page), command


@pytest.mark.process
def test_importing_the_scheduler_is_light() -> None:
    """No command line, no server, no database layer before they are needed."""
    heavy = ("click", "rich", "mcp", "hypercorn", "sqlite_utils")
    code = f"import sys, scheduler; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_every_python_example_is_python(page: Path) -> None:
    """What stands at the top may await: it is a part of a program."""
    for example in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        compile(example, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.process
@pytest.mark.parametrize("heading", ["From asyncio", "From threads"])
def test_the_examples_for_other_programs_run(tmp_path: Path, heading: str) -> None:
    """The first one under each heading, word for word."""
    page = (ROOT / "docs" / "embedding-asyncio.md").read_text()
    example = re.search(rf"# {heading}\n.*?```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    subprocess.run([sys.executable, "-c", example[1]], cwd=tmp_path, timeout=30, check=True)
    listing = [sys.executable, "-m", "scheduler.cli", "list", "--db", "tasks.db", "--json"]
    done = subprocess.run(listing, cwd=tmp_path, capture_output=True, timeout=30, check=True)
    (task,) = json.loads(done.stdout)["tasks"]
    assert (task["summary"], task["status"]) == ("The wheel", "completed")


@pytest.mark.process
def test_the_example_of_embedding_runs(tmp_path: Path) -> None:
    """The first one, word for word, in an empty folder."""
    page = (ROOT / "docs" / "embedding.md").read_text()
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    done = subprocess.run(
        [sys.executable, "-c", example[1]], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "completed: Build the wheel: {'wheel': 'headrace.whl'}" in done.stdout
    assert "completed: Run the tests: tested headrace.whl" in done.stdout
    assert "completed: Check the style: {'stdout': 'no complaints\\n'" in done.stdout
