"""Reading workflow files: what is understood, and how mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scheduler.cli.workflow.workflow import read_workflow
from scheduler.cli.workflow.workflow_enqueue import keys_of
from scheduler.domain.errors import DependencyCycle, InvalidRequest

A = '{"ref": "a", "run": "true"}'
B = '{"ref": "b", "runtime_s": 1, "prerequisites": ["a"]}'


def read(folder: Path, name: str, text: str) -> InvalidRequest:
    """The error that a file of this text is refused with."""
    (folder / name).write_text(text, "utf-8")
    with pytest.raises(InvalidRequest) as caught:
        read_workflow(folder / name)
    return caught.value


@pytest.mark.parametrize(
    ("text", "place", "message", "received", "hint"),
    [
        (A + '\n{"ref": "b", "run": ', "line 2", "not JSON", '{"ref": "b", "run":', None),
        (A + "\n\n[1]", "line 3", "one JSON object", "[1]", None),
        ('{"ref": "a", "runtime_s": NaN}', "line 1", "NaN is not JSON", None, None),
        ("[" * 100_000, "line 1", "not JSON", None, None),
        (A + '\n{"ref": "b", "rum": "x"}', "line 2", "no such field", "rum", "Did you mean run?"),
        ('{"ref": "a", "run": "x", "key": "k"}', "line 1", "no such field", "key", None),
        ('{"run": "true"}', "line 1", "has no ref", None, None),
        ('{"ref": 7, "run": "true"}', "line 1", "ref is a int", "7", None),
        (f'{{"ref": "{"r" * 151}", "run": "true"}}', "line 1", "ref has 151", None, None),
        ('{"ref": "a"}', "line 1", "neither run nor runtime_s", None, None),
        ('{"ref": "a", "run": "x", "runtime_s": 1}', "line 1", "both run and", None, None),
        ('{"ref": "a", "run": "echo \'"}', "line 1", "split into words", "echo '", None),
        ('{"ref": "a", "run": []}', "line 1", "run is empty", "[]", None),
        ('{"ref": "a", "run": ["x", 1]}', "line 1", "no command", "['x', 1]", None),
        ('{"ref": "a", "run": ["x\\u0000"]}', "line 1", "a NUL", None, None),
        ('{"ref": "a", "runtime_s": -1}', "line 1", "runtime_s is out of range", -1, None),
        (A + "\n" + A, "line 2", "ref is taken already, at w.jsonl, line 1", "a", None),
        (
            '{"ref": "abc", "run": "x"}\n{"ref": "b", "run": "x", "run_after": ["abd"]}',
            "line 2",
            "no such ref",
            "abd",
            "Did you mean abc?",
        ),
        ('{"ref": "a", "run": "x", "prerequisites": "b"}', "line 1", "a list of refs", None, None),
        ('{"ref": "a", "run": "x", "base_priority": 11}', "line 1", "out of range", 11, None),
        ('{"ref": "a", "run": "x", "deadline": "soon"}', "line 1", "not a time", "soon", None),
        ('{"ref": "a", "run": "x", "deadline": "2030-01-01"}', "line 1", "time zone", None, None),
        ('{"ref": "a", "run": "x", "source": "me"}', "line 1", "source is unknown", "'me'", None),
        ("\n \n", "", "no task", None, None),
    ],
)  # fmt: skip
def test_mistakes_in_json_lines(
    tmp_path: Path, text: str, place: str, message: str, received: object, hint: str | None
) -> None:
    """The error names the line, what is wrong and what was probably meant."""
    error = read(tmp_path, "w.jsonl", text)
    assert error.message.startswith(f"w.jsonl, {place}: " if place else "w.jsonl: ")
    assert message in error.message
    if received is not None:
        assert error.received == received
    if hint is not None:
        assert error.hint == hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[task]]\nref = "a"\nrun = ', "w.toml: this is not TOML"),
        ('title = "x"', "w.toml: there is no such key at the top level"),
        ("name = 7", "w.toml: name is not a string"),
        ('name = ""\n[[task]]\nref="a"\nrun="x"', "w.toml: name is empty"),
        ("task = 7", "w.toml: task is not a list of tables"),
        ('[[task]]\nref="a"\nrun="x"\n[[task]]\nref="b"\nruns="x"', "w.toml, task 2: there is no"),
        ('[[task]]\nref="a"\nrun="x"\ndeadline=2030-01-01T00:00:00', "w.toml, task 1: deadline"),
    ],
)  # fmt: skip
def test_mistakes_in_toml(tmp_path: Path, text: str, message: str) -> None:
    """The error names the number of the table."""
    assert read(tmp_path, "w.toml", text).message.startswith(message)


@pytest.mark.parametrize(
    "run",
    [
        "true | false",
        "a || b",
        "a && b",
        "cd x; make",
        "a ; b",
        "date > x",
        "x 2>&1",
        "a <in",
        "a &",
    ],
)
def test_what_only_a_shell_would_heed(tmp_path: Path, run: str) -> None:
    """Is refused, with the words that start one: a program would take it for its arguments."""
    error = read(tmp_path, "w.jsonl", json.dumps({"ref": "a", "run": run}))
    assert "there is no shell here" in error.message
    assert error.hint == f"Write sh -c '{run}'"


@pytest.mark.parametrize(
    "run",
    ["sh -c 'a | b; c'", r"find . -exec rm {} \;", 'grep "|" x', "echo a=>b", ["a", "|", "b"]],
)
def test_what_is_quoted_is_a_word(tmp_path: Path, run: object) -> None:
    """And so is each of a list."""
    (tmp_path / "w.jsonl").write_text(json.dumps({"ref": "a", "run": run}))
    assert read_workflow(tmp_path / "w.jsonl").tasks["a"].command


def test_a_circle_is_told_with_its_path(tmp_path: Path) -> None:
    """Each ref of the path waits for the next, the last for the first."""
    waits = {"a": "b", "b": "c", "c": "d", "d": "b"}
    lines = [json.dumps({"ref": r, "run": "x", "prerequisites": [w]}) for r, w in waits.items()]
    (tmp_path / "w.jsonl").write_text("\n".join(lines))
    with pytest.raises(DependencyCycle) as caught:
        read_workflow(tmp_path / "w.jsonl")
    assert caught.value.path == ["b", "c", "d"]


def test_not_utf8_and_other_names(tmp_path: Path) -> None:
    """What cannot be read is refused as such, with the line."""
    (tmp_path / "w.jsonl").write_bytes(b'\n{"ref": "\xff"}')
    with pytest.raises(InvalidRequest, match="line 2: this is not UTF-8"):
        read_workflow(tmp_path / "w.jsonl")
    assert "tells no format" in read(tmp_path, "w.yaml", A).message


def test_doubles_numbers_and_marks(tmp_path: Path) -> None:
    """A field that stands twice and a number without end are refused; a byte order mark is not."""
    twice = read(tmp_path, "w.jsonl", '{"ref": "a", "ref": "b"}')
    assert "a key stands twice" in twice.message and twice.received == "ref"
    endless = "[[task]]\nbase_priority = " + "9" * 5_000
    assert "this is not TOML" in read(tmp_path, "w.toml", endless).message
    (tmp_path / "marked.jsonl").write_text("\ufeff" + A, "utf-8")
    assert list(read_workflow(tmp_path / "marked.jsonl").tasks) == ["a"]


def test_order(tmp_path: Path) -> None:
    """Each task comes after what it waits for, else in the file's order; long chains work."""
    path = tmp_path / "w.jsonl"
    path.write_text("\n".join([B, '{"ref": "z", "run": ["x"]}', A]))
    assert list(read_workflow(path).tasks) == ["a", "b", "z"]
    chain = [{"ref": f"{n}", "run": "x", "prerequisites": [f"{n + 1}"]} for n in range(9_999)]
    path.write_text("\n".join(map(json.dumps, [*chain, {"ref": "9999", "run": "x"}])))
    assert list(read_workflow(path).tasks) == [f"{n}" for n in range(9_999, -1, -1)]


def test_fields(tmp_path: Path) -> None:
    """Commands are split as a shell would, times understood, names used as descriptions."""
    path = tmp_path / "w.toml"
    path.write_text(
        """
        name = "nightly"
        [[task]]
        ref = "a"
        run = "echo 'two words' \\"$HOME\\""
        deadline = 2030-01-01T00:00:00+01:00
        [[task]]
        ref = "b"
        name = "Recorded"
        runtime_s = 2
        not_before = "2030-01-01T00:00:00Z"
        prerequisites = ["a", "a"]
        payload = { branch = "main" }
        """
    )
    workflow = read_workflow(path)
    first, second = workflow.tasks.values()
    assert workflow.name == "nightly"
    assert first.command == ("echo", "two words", "$HOME")
    assert first.fields["description"] == "a: echo 'two words' '$HOME'"
    assert (second.runtime_s, second.prerequisites) == (2.0, ("a",))
    assert second.fields["description"] == "Recorded"
    assert second.fields["not_before"].isoformat() == "2030-01-01T00:00:00+00:00"
    assert read_workflow(path, "other").name == "other"


def test_keys_follow_content(tmp_path: Path) -> None:
    """A task's key changes with what is said of it, and with the keys of what it waits for."""
    path = tmp_path / "w.jsonl"
    path.write_text("\n".join([A, B, '{"ref": "c", "run": "x"}']))
    keys = keys_of(read_workflow(path), speed=1.0)
    assert all(key.endswith(f":{ref}") for ref, key in keys.items())
    assert keys_of(read_workflow(path), speed=1.0) == keys

    path.write_text("\n".join([A.replace("true", "false"), B, '{"ref": "c", "run": "x"}']))
    edited = keys_of(read_workflow(path), speed=1.0)
    assert [ref for ref in keys if edited[ref] != keys[ref]] == ["a", "b"]
    faster = keys_of(read_workflow(path), speed=2.0)
    assert [ref for ref in keys if edited[ref] != faster[ref]] == ["b"]
    renamed = keys_of(read_workflow(path, "other"), speed=1.0)
    assert not set(renamed.values()) & set(edited.values())
