"""The servers that some peers need, started for one measurement: on loopback, with a password."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from benchmarks.peers.peer import ALL, Missing
from benchmarks.workload import Bench

AppendFsync = Literal["everysec", "always"]

IN_REDIS: dict[AppendFsync, tuple[str, str]] = {  # what is left after a kill, a loss of power
    "everysec": (ALL, "all but the last second"),
    "always": (ALL, ALL),
}
LOOPBACK = "127.0.0.1"
START_SECONDS = 15.0
STOP_SECONDS = 10.0


@contextmanager
def redis(bench: Bench, appendfsync: AppendFsync) -> Iterator[str]:
    """The URL of a Redis that appends each change to a file, and syncs it as told."""
    folder = _new_folder(bench)
    port, password = _free_port(), secrets.token_hex()
    settings = {
        "bind": LOOPBACK,
        "port": port,
        "requirepass": password,
        "dir": folder,
        "appendonly": "yes",
        "appendfsync": appendfsync,
        "save": '""',
        "loglevel": "warning",
    }
    lines = "".join(f"{name} {value}\n" for name, value in settings.items())
    with _running([_program("redis-server"), "-"], port, settings=lines):
        yield f"redis://:{password}@{LOOPBACK}:{port}/0"


@contextmanager
def postgres(bench: Bench) -> Iterator[str]:
    """The URL of a new PostgreSQL with its own defaults: each commit is synced.

    It refuses to run as root. Then it runs as somebody else, who must get through to its folder.
    """
    folder = _new_folder(bench)
    initdb, server = _program("initdb"), _program("postgres")
    port, password = _free_port(), secrets.token_hex()
    user = _unprivileged()
    data, secret = folder / "data", folder / "password"
    secret.write_text(password)
    if user is not None:
        folder.parent.chmod(0o711)
        for path in (folder, secret):
            shutil.chown(path, user)
    made = [initdb, "--auth=scram-sha-256", "--username=bench", f"--pwfile={secret}", str(data)]
    subprocess.run(made, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
    options = {
        "listen_addresses": LOOPBACK,
        "port": port,
        "unix_socket_directories": "",
        "logging_collector": "off",
    }
    command = [server, "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with _running(command, port, user=user):
        yield f"postgresql://bench:{password}@{LOOPBACK}:{port}/postgres"


def server_versions() -> list[str]:
    """What the servers that are installed say of themselves."""
    programs = filter(None, map(shutil.which, ("redis-server", "postgres")))
    return [
        subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
        for program in programs
    ]


def _new_folder(bench: Bench) -> Path:
    folder = Path(bench.new())
    folder.mkdir(0o700)
    return folder


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def _unprivileged() -> str | None:
    """Who to run as; None where we are no root ourselves."""
    if os.geteuid() != 0:
        return None
    names = [line.partition(":")[0] for line in Path("/etc/passwd").read_text().splitlines()]
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def _running(
    command: Sequence[str], port: int, *, settings: str = "", user: str | None = None
) -> Iterator[None]:
    """A server that listens on the port, ended on the way out however that is."""
    process = subprocess.Popen(
        command,
        user=user,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(settings.encode())
        _wait_for(process, port)
        yield
    finally:
        process.send_signal(2)  # PostgreSQL leaves its clients for it, and Redis does not care
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when somebody listens; raises RuntimeError where nobody does."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.01)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")
