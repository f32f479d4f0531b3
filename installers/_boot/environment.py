"""Make the environment in ``.venv`` what it should be: create, repair, install, and say what is going on.

`ensure` returns at once when the stamp says that all is ready. Otherwise it does only what is missing; every step may
be killed at any moment, and the next start goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from installers._boot import choose as chooser
from installers._boot import detect, stamp, system
from installers._boot.choose import Choice, Refusal
from installers._boot.facts import Machine
from installers._boot.pip import explain, failure, run_logged
from installers._boot.report import Problem, Report, Step
from installers._boot.stamp import Stamp

VENV = ".venv"
LOG = "bootstrap.log"
CONSTRAINTS = "bootstrap-constraints.txt"
VENV_NAMES = {"bin", "include", "lib", "lib64", "share", "Include", "Lib", "Scripts", "pyvenv.cfg", ".gitignore"}
VENV_NAMES |= {"CACHEDIR.TAG", LOG, CONSTRAINTS, stamp.NAME, stamp.NAME + ".new"}
TRY_TORCH = """
import torch
if torch.cuda.is_available():
    print("USES", torch.cuda.get_device_name())
elif torch.xpu.is_available():
    print("USES", torch.xpu.get_device_name())
else:
    print("USES", "the Apple GPU" if torch.backends.mps.is_available() else "the CPU")
"""
MIN_FREE_GB = 1.5  # for everything but PyTorch


def ensure(
    root: Path,
    extras: Sequence[str],
    report: Report,
    *,
    thorough: bool = False,
    repair: bool = False,
    retry: bool = False,
    wish: str | None = None,
) -> Stamp:
    """The environment, ready to use. `wish` is a PyTorch label; None keeps what was asked for before.

    `thorough` looks at every installed file (some 40 000: 0.2 s, more from a cold disk); without it, at every package.
    `retry` tries the vendor's index again where the default one had to stand in for it.
    """
    venv, mark = root / VENV, detect.signature()

    def needed() -> tuple[Stamp | None, str, str]:
        before = stamp.read(venv)
        wanted = wish if wish is not None else before.wanted if before else ""
        reason = stamp.stale(before, root, venv, extras, mark, wanted)
        if not reason and thorough and stamp.damaged(venv):
            reason = "files are missing or damaged"
        if not reason and retry and before and before.plain:
            reason = "PyTorch's own index could not be reached the last time"
        return before, wanted, reason

    before, wanted, reason = needed()
    if before and not reason and not repair:
        return before
    with _lock(root, report) as hold:
        before, wanted, reason = needed()  # another set-up may have done it while we waited
        if before and not reason and not repair:
            return before
        report.say(f"Setting Atelier up: {reason or 'a repair was asked for'}.")
        both = tuple(sorted({*extras, *(before.extras if before else ())}))
        try:
            return _SetUp(root, report, before, hold).run(both, wanted, mark, thorough=thorough or repair or not before)
        except PermissionError as error:
            raise Problem(f"{error.filename} could not be written. Check who owns this folder.") from error


def torch_fits(installed: Mapping[str, str], choice: Choice) -> bool:
    """Is what is installed as good as what was chosen, so that it can stay?"""
    base, _, local = installed.get("torch", "").partition("+")
    vision = installed.get("torchvision", "").partition("+")[0]
    if base != chooser.TORCH or vision != chooser.TORCHVISION:
        return False
    if local in chooser.BUILDS:
        return local == choice.label
    return not (choice.index and choice.loses)  # the default index's build, which does where nothing is lost


SHORT_SHEBANG = re.compile(rb"#!(/[^\n]*)/bin/(python[\d.]*)\n")
LONG_SHEBANG = re.compile(rb"#!/bin/sh\n'''exec' \"?(/[^\n]*?)/bin/(python[\d.]*)\"? [^\n]*\n[^\n]*\n")
ACTIVATE = re.compile(rb"VIRTUAL_ENV[= ]['\"]?(/[^'\"\n]*)")


def move_scripts(venv: Path) -> bool:
    """Point the scripts of an environment that was moved to where it is now; True when any had to be."""
    changed = False
    here = str(venv).encode()
    folder = venv / "bin"
    for script in folder.iterdir() if folder.is_dir() else ():
        if script.is_symlink() or not script.is_file():
            continue
        text = script.read_bytes()
        found = SHORT_SHEBANG.match(text) or LONG_SHEBANG.match(text)
        if found and found[1] != here:
            script.write_bytes(shebang(here + b"/bin/" + found[2]) + text[found.end() :])
            changed = True
        elif script.name.startswith("activate") and (found := ACTIVATE.search(text)) and found[1] != here:
            script.write_bytes(text.replace(found[1], here))
            changed = True
    return changed


def shebang(python: bytes) -> bytes:
    """The first lines of a script, as pip writes them: a path with spaces, or a long one, goes through the shell."""
    if b" " in python or len(python) > 120:
        return b"#!/bin/sh\n'''exec' \"" + python + b'" "$0" "$@"\n\' \'\'\'\n'
    return b"#!" + python + b"\n"


def base_python() -> str:
    """The interpreter that environments are made with: never the one inside the environment that is remade."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


class _SetUp:
    """One set-up, step by step."""

    def __init__(self, root: Path, report: Report, before: Stamp | None, hold: Sequence[int]) -> None:
        self.root, self.report, self.before, self.hold = root, report, before, hold
        self.venv = root / VENV
        self.log = self.venv / LOG
        self.python = stamp.python_of(self.venv)

    def run(self, extras: tuple[str, ...], wanted: str, mark: str, *, thorough: bool) -> Stamp:
        with self.report.step("Look at this machine"):
            machine = detect.look()
        choice = chooser.choose(machine, wanted)
        if isinstance(choice, Refusal):
            raise Problem(choice.reason)
        self.report.say(f"     {choice.why}: PyTorch {chooser.TORCH} ({choice.label})")
        for note in choice.notes:
            self.report.say(f"     Note: {note}")
        self._environment()
        stamp.clear(self.venv)
        if thorough or stamp.entries_hash(self.venv) != getattr(self.before, "entries", ""):
            self._mend()
        plain = self._torch(choice, machine)
        self._project(extras)
        missing = self._libraries()
        self._try_torch()
        done = Stamp(
            root=str(self.root),
            project=stamp.project_hash(self.root / "pyproject.toml"),
            python=os.path.realpath(self.python),
            extras=extras,
            machine=mark,
            torch=choice.label,
            wanted=wanted,
            plain=plain,
            entries=stamp.entries_hash(self.venv),
            missing=tuple(one.soname for one in missing),
        )
        stamp.write(self.venv, done)
        return done

    def _room(self, needed: float) -> None:
        free = system.free_gb(self.root)
        if free < needed:
            raise Problem(
                f"The disk with {self.root} has {free:.1f} GB free; setting up needs about {needed:.0f} GB. "
                "Make room, or move the folder to a larger disk."
            )

    def _environment(self) -> None:
        venv = self.venv
        if venv.is_symlink() and not venv.exists():
            venv.unlink()
        if venv.exists():
            self._refuse_foreign()
            moved = self.before is not None and self.before.root != str(self.root)
            if self._usable() and not (moved and sys.platform == "win32"):
                move_scripts(venv)
                if system.works([self.python, "-m", "pip", "--version"]) or self._add_pip():
                    return
            self.report.say(f"     {VENV} does not work any more: it is made anew.")
        self._room(MIN_FREE_GB)
        self._need_venv_module()
        with self.report.step(f"Make the Python environment ({VENV})") as step:
            if venv.is_symlink():
                venv.unlink()
            elif venv.exists():
                step.status("removing the old one")
                shutil.rmtree(venv)
            step.status("")
            venv.mkdir()
            code, output = self._run([base_python(), "-m", "venv", venv], step)
            if code:
                raise failure(output, self.log)
        self.before = None

    def _refuse_foreign(self) -> None:
        if not self.venv.is_dir():
            raise Problem(f"{self.venv} is in the way: move or rename it, then start this again.")
        if not (self.venv / "pyvenv.cfg").is_file():
            strangers = sorted({path.name for path in self.venv.iterdir()} - VENV_NAMES)
            if strangers:
                raise Problem(
                    f"{self.venv} holds something else ({strangers[0]}): move it away, then start this again."
                )

    def _usable(self) -> bool:
        check = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))"
        if not self.python.exists() or not system.works([self.python, "-c", check]):
            return False
        where = "import os, sys, sysconfig; sys.exit(not os.path.isdir(sysconfig.get_path('purelib')))"
        return system.works([self.python, "-c", where])

    def _add_pip(self) -> bool:
        return system.works([self.python, "-m", "ensurepip"], 120) and system.works(
            [self.python, "-m", "pip", "--version"]
        )

    def _need_venv_module(self) -> None:
        package = system.venv_package()
        if not package:
            return
        command = f"sudo apt install {package}"
        if not system.may_install():
            raise Problem(
                f"This Python cannot make environments. Install what is missing, then start this again:\n  {command}"
            )
        self.venv.mkdir(exist_ok=True)
        with self.report.step(f"Install {package}") as step:
            if not self._apt([package], step) or system.venv_package():
                raise Problem(f"{package} could not be installed. Try it by hand:\n  {command}")

    def _mend(self) -> None:
        with self.report.step("Check the installed files"):
            stamp.remove_leftovers(self.venv)
            broken = stamp.damaged(self.venv)
            for info in broken:
                stamp.remove_package(info)
        if broken:
            names = ", ".join(info.name.partition("-")[0] for info in broken[:5])
            self.report.say(
                f"     Damaged or half installed, so installed again: {names}{' ...' if len(broken) > 5 else ''}"
            )
            if not system.works([self.python, "-m", "pip", "--version"]) and not self._add_pip():
                raise Problem(f"pip cannot be repaired. Delete {self.venv} and start this again.")

    def _torch(self, choice: Choice, machine: Machine) -> bool:
        """Install PyTorch; True when the default index had to stand in and its build does less."""
        have = stamp.installed(self.venv)
        if torch_fits(have, choice):
            return False
        begun = "triton" in have or any(name.startswith("nvidia-cu") for name in have)
        room = 3.0 if begun else choice.disk_gb  # most of it is there already
        self._room(room)
        if choice.index:
            index = vendor_index(choice.index, os.environ)
            failed = f"{index} cannot be reached"
            if system.answers(index + "/torch/"):
                with self.report.step(f"Install PyTorch ({choice.label})") as step:
                    code, output = self._pip(["install", "--extra-index-url", index, *choice.requirements], step)
                if code == 0:
                    return False
                failed = f"{index} did not deliver ({explain(output)})"
            loss = f" Until it can be used, {choice.loses}; `setup` tries again." if choice.loses else ""
            self.report.say(f"     {failed}: the default package index is used instead.{loss}")
        plain = choice.without_vendor(machine)
        self._room(min(room, plain.disk_gb) if begun else plain.disk_gb)
        with self.report.step("Install PyTorch") as step:
            if have.get("torch", "").partition("+")[2] in chooser.BUILDS:  # pip would take the other build for this one
                self._pip(["uninstall", "-y", "torch", "torchvision"], step)
            code, output = self._pip(["install", *plain.requirements], step)
        if code:
            raise failure(output, self.log)
        return bool(choice.index and choice.loses)

    def _project(self, extras: tuple[str, ...]) -> None:
        have = stamp.installed(self.venv)
        pins = [f"{name}=={have[name]}\n" for name in ("torch", "torchvision") if name in have]
        constraints = self.venv / CONSTRAINTS
        constraints.write_text("".join(pins), encoding="utf-8")
        self._room(MIN_FREE_GB)
        target = f".[{','.join(extras)}]" if extras else "."
        with self.report.step("Install Atelier" + (f" and what {', '.join(extras)} needs" if extras else "")) as step:
            code, output = self._pip(["install", "-c", constraints, "-e", target], step)
        if code:
            raise failure(output, self.log)

    def _libraries(self) -> list[system.Library]:
        missing = system.missing_libraries()
        if missing and system.may_install():
            with self.report.step("Install the system libraries of the window") as step:
                self._apt(sorted({one.apt for one in missing}), step)
            missing = system.missing_libraries(missing)
        if missing:
            line = system.install_line(system.package_manager(), missing)
            self.report.say(
                f"     The window needs system libraries that are not here. Install them with:\n       {line}"
            )
        return missing

    def _apt(self, packages: Sequence[str], step: Step) -> bool:
        environ = {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "-o", "DPkg::Lock::Timeout=60", "install", "-y", "--no-install-recommends", *packages]
        for command in (install, ["apt-get", "update"], install):
            step.status("apt-get update" if "update" in command else f"apt-get install {packages[0]} ...")
            code, _output = self._run(command, step, environ)
            if code == 0 and command is install:
                return True
        return False

    def _try_torch(self) -> None:
        """Import PyTorch once: a driver or runtime that is missing is said now and not at the first picture."""
        with self.report.step("Try PyTorch") as step:
            status, output = self._run([self.python, "-P", "-W", "ignore", "-c", TRY_TORCH], step)
        uses = re.search(r"^USES (.+)$", output, re.MULTILINE)
        if status == 0 and uses:
            self.report.say(f"     Pictures will be made on: {uses[1]}")
            return
        last = output.strip().splitlines()[-1:] or [f"exit code {status}"]
        hint = (
            " Install https://aka.ms/vs/17/release/vc_redist.x64.exe and try again." if sys.platform == "win32" else ""
        )
        self.report.say(f"     PyTorch does not start: {last[0]}.{hint} The window opens all the same; see {self.log}")

    def _pip(self, arguments: Sequence[str | Path], step: Step) -> tuple[int, str]:
        return self._run([self.python, "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments], step)

    def _run(
        self, command: Sequence[str | Path], step: Step, environ: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        code, output = run_logged(command, self.log, step, self.root, self.hold, environ)
        step.failed = code != 0
        return code, output


def vendor_index(index: str, environ: Mapping[str, str]) -> str:
    """The index to ask: ``ATELIER_TORCH_INDEX`` names a mirror of https://download.pytorch.org/whl."""
    mirror = environ.get("ATELIER_TORCH_INDEX", "").rstrip("/")
    return index.replace(chooser.INDEX_ROOT, mirror, 1) if mirror else index


def refreshed(before: Stamp, missing: Sequence[system.Library]) -> Stamp:
    """The stamp after the user installed system libraries."""
    return replace(before, missing=tuple(one.soname for one in missing))


def lock_path(root: Path) -> Path:
    """The lock of this folder's set-up; outside of it, since ``.venv`` comes and goes."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    mark = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"atelier-setup-{user}-{mark}.lock"


@contextmanager
def _lock(root: Path, report: Report) -> Iterator[tuple[int, ...]]:
    """One set-up at a time. Yields the descriptors that children hold, so that they keep the lock if we are killed."""
    descriptor = os.open(lock_path(root), os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        told = False
        while not _try_lock(descriptor):
            if not told:
                report.say("Another set-up of this folder is running; waiting for it.")
                told = True
            time.sleep(0.3)
        yield (descriptor,)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    module: Any
    try:
        if sys.platform == "win32":
            import msvcrt as module

            module.locking(descriptor, module.LK_NBLCK, 1)
        else:
            import fcntl as module

            module.flock(descriptor, module.LOCK_EX | module.LOCK_NB)
    except OSError:
        return False
    return True
