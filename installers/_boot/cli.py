"""The bootstrap's commands: run, test, setup, doctor."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from installers._boot import environment, stamp, system
from installers._boot.pip import child_env
from installers._boot.report import Problem, Report

WHOLE_SUITE = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]
"""Many tests wait for processes, so some at a time; more than four would each load torch into memory."""

USAGE = "bootstrap.py [run|test|setup|doctor] [--repair] [--torch LABEL] [-- arguments for atelier or pytest]"
NO_SCREEN = (
    "There is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set), so the window cannot open. Start this "
    "in a desktop session, or make pictures without a window: "
    'python3 installers/bootstrap.py run -- generate "a red bicycle"'
)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is for us, and what follows ``--``."""
    own = list(arguments)
    if "--" not in own:
        return own, []
    cut = own.index("--")
    return own[:cut], own[cut + 1 :]


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Our own arguments; what is meant for Atelier or pytest ends up in ``rest``."""
    own, rest = split(arguments)
    parser = argparse.ArgumentParser(
        "bootstrap.py", usage=USAGE, description="Set Atelier up on this machine and run it."
    )
    parser.add_argument("command", nargs="?", default="run", choices=["run", "test", "setup", "doctor"])
    parser.add_argument(
        "--repair", action="store_true", help="look at every installed file and put right what is wrong"
    )
    parser.add_argument("--torch", metavar="LABEL", help="auto, default, cu130, cu126, rocm7.14, xpu or cpu")
    options, unknown = parser.parse_known_args(own)
    if unknown:
        parser.error(
            f"put what is meant for atelier or pytest after --, for example: {options.command} -- {' '.join(unknown)}"
        )
    options.rest = rest
    return options


def main(arguments: Sequence[str], root: str) -> int:
    """Run one command; the exit code."""
    options = parse(arguments)
    report = Report()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return _command(options, Path(root), report)
    except Problem as problem:
        report.say(str(problem))
        return 1
    except KeyboardInterrupt:
        report.say("Interrupted. Start it again to go on.")
        return 130


def _terminated(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)


def _command(options: argparse.Namespace, root: Path, report: Report) -> int:
    if options.command == "doctor":
        from installers._boot import doctor

        return doctor.tell(root, sys.stdout)
    wish = {None: None, "auto": ""}.get(options.torch, options.torch)
    if options.command == "run" and not options.rest and system.no_screen(os.environ):
        report.say(NO_SCREEN)
        return 2
    extras = ["test"] if options.command == "test" else []
    thorough = options.command != "run"  # the app shall open at once
    retry = options.command == "setup"
    done = environment.ensure(root, extras, report, thorough=thorough, repair=options.repair, retry=retry, wish=wish)
    python = stamp.python_of(root / environment.VENV)
    if options.command == "setup":
        report.say("Atelier is ready. Start it with: python3 installers/bootstrap.py run")
        return 0
    if options.command == "test":
        environ = child_env()
        environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        os.chdir(root)
        return start([str(python), "-m", "pytest", *(options.rest or WHOLE_SUITE)], environ)
    if not options.rest:
        check_window(done, root, os.environ)
    return start([str(python), "-P", "-m", "app", *options.rest], child_env())


def window_blockers(missing: Sequence[system.Library], environ: Mapping[str, str]) -> list[system.Library]:
    """Those of the missing libraries without which this session cannot show a window."""
    blockers = [one for one in missing if not one.window_only]
    if not environ.get("QT_QPA_PLATFORM"):
        wayland = bool(environ.get("WAYLAND_DISPLAY"))
        blockers += [one for one in missing if one.window_only and ("wayland" in one.soname) == wayland]
    return blockers


def check_window(done: stamp.Stamp, root: Path, environ: Mapping[str, str]) -> None:
    """Stop with the command to copy when the window cannot open for want of system libraries."""
    if not done.missing:
        return
    missing = system.missing_libraries([one for one in system.LIBRARIES if one.soname in done.missing])
    stamp.write(root / environment.VENV, environment.refreshed(done, missing))
    blockers = window_blockers(missing, environ)
    if blockers:
        line = system.install_line(system.package_manager(), missing)
        raise Problem(f"The window cannot open: system libraries are missing. Install them with:\n  {line}")


def start(command: list[str], environ: dict[str, str]) -> int:
    """Become the program (POSIX), or run it and hand its exit code on (Windows)."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execve(command[0], command, environ)  # exit code and signals are the program's own from here on
    with subprocess.Popen(command, env=environ) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # the program got it too and decides what it means
