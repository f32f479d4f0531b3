"""Run pip with its output in a log, what it is doing as one line, and its failures in plain words."""

from __future__ import annotations

import os
import re
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from installers._boot.report import Problem, Step

TAIL = 15  # lines of pip's log shown when it fails

NO_NETWORK = (
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Name or service not known",
    "nodename nor servname provided",
    "getaddrinfo failed",
    "Network is unreachable",
    "No route to host",
    "NewConnectionError",
    "ConnectTimeoutError",
    "ProxyError",
)
AGAIN = "Start this again: it goes on where it stopped."
EXPLAINED = (
    (("No space left on device", "not enough space on the disk"), f"The disk is full. Make room. {AGAIN}"),
    (
        ("CERTIFICATE_VERIFY_FAILED",),
        "The package index's certificate is not trusted here (a company proxy?). Set PIP_CERT to your bundle.",
    ),
    (("Read timed out", "IncompleteRead", "Connection broken"), f"The connection broke during a download. {AGAIN}"),
    (("DO NOT MATCH THE HASHES",), f"A download came out damaged. {AGAIN}"),
    (("No matching distribution found for torch",), "The package index has no PyTorch for this Python and system."),
    (
        ("Permission denied", "Access is denied"),
        "A file could not be written. Close Atelier if it is open, and check who owns this folder.",
    ),
)
UNREACHABLE = f"The package index cannot be reached. Check the network (or PIP_INDEX_URL and HTTPS_PROXY). {AGAIN}"


def explain(output: str) -> str:
    """The plain sentence for what went wrong; a general one where nothing is recognised."""
    for marks, sentence in ((NO_NETWORK, UNREACHABLE), *EXPLAINED):
        if any(mark in output for mark in marks):
            return sentence
    return "pip could not install a package."


def status_of(line: str) -> str:
    """What pip is doing, in a few words; empty when a line says nothing new."""
    line = line.strip()
    if found := re.match(r"Downloading (\S+?)(?:\.whl|\.tar\.gz|\.zip)?(?:\.metadata)? \((.+?)\)", line):
        name = "-".join(found[1].rpartition("/")[2].split("-")[:2])
        return f"downloading {name} ({found[2]})"
    if found := re.match(r"(?:Collecting|Obtaining) ([\w.\-\[\]/]+)", line):
        return f"looking up {found[1]}"
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages"
    if found := re.match(r"Using cached (\S+)", line):
        return f"from the cache: {'-'.join(found[1].split('-')[:2])}"
    if found := re.match(r"Processing (\S+)", line):
        return f"reading {found[1].replace(chr(92), '/').rpartition('/')[2]}"
    if line.startswith(("Installing build dependencies", "Getting requirements to build", "Preparing")):
        return "preparing the project"
    return ""


def child_env() -> dict[str, str]:
    """The user's environment, less what would mix another Python's packages in. PIP_* stays as it is."""
    dropped = ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in dropped}


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    step: Step,
    cwd: Path,
    hold: Sequence[int] = (),
    extra_env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run a command with its output in the log: exit code and last lines. It ends when we are interrupted.

    `hold` are file descriptors that the child keeps open (the set-up's lock: should we be killed, the next set-up waits
    for this child and does not run into it).
    """
    tail: deque[str] = deque(maxlen=400)
    with log.open("a", encoding="utf-8", errors="replace") as out:
        out.write(f"\n$ {' '.join(map(str, command))}\n")
        out.flush()
        with subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**child_env(), **(extra_env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            pass_fds=tuple(hold) if os.name == "posix" else (),
        ) as child:
            try:
                for line in child.stdout or ():
                    out.write(line)
                    out.flush()
                    tail.append(line)
                    if text := status_of(line):
                        step.status(text)
                return child.wait(), "".join(tail)
            except BaseException:
                child.terminate()
                try:
                    child.wait(5)
                except subprocess.TimeoutExpired:
                    child.kill()
                raise


def failure(output: str, log: Path) -> Problem:
    """pip's failure as something to show: one sentence, the end of the log where that helps, and where all of it is."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    sentence = explain("\n".join(lines[-40:]))
    if sentence == UNREACHABLE:
        return Problem(f"{sentence} (Log: {log})")
    quoted = "\n".join(f"  | {line[:200]}" for line in lines[-TAIL:])
    return Problem(f"{sentence}\n{quoted}\n  The whole log: {log}")
