"""Tell what the bootstrap sees and what it would do. Changes nothing."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TextIO

from installers._boot import choose as chooser
from installers._boot import detect, environment, stamp, system
from installers._boot.choose import Refusal
from installers._boot.facts import Machine, dotted


def tell(root: Path, out: TextIO) -> int:
    """Print the findings; 0 when Atelier is or can be set up here."""
    machine = detect.look()
    venv = root / environment.VENV
    before = stamp.read(venv)
    choice = chooser.choose(machine, before.wanted if before else "")
    reason = stamp.stale(before, root, venv, (), detect.signature(), before.wanted if before else "")
    rows = [
        ("System", f"{platform.platform()} ({machine.arch})"),
        ("Python", f"{platform.python_version()} at {sys.executable}"),
        *gpu_rows(machine),
    ]
    if isinstance(choice, Refusal):
        rows.append(("PyTorch", f"none: {choice.reason}"))
    else:
        rows.append(("PyTorch", f"{chooser.TORCH} ({choice.label}) for {choice.why}"))
        rows.append(("From", choice.index or "the default package index"))
        rows += [("Note", note) for note in choice.notes]
    have = stamp.installed(venv)
    rows.append(
        ("Environment", f"set-up needed: {reason}" if reason else f"ready, PyTorch {have.get('torch', 'missing')}")
    )
    if before:
        rows += [("Damaged", info.name) for info in stamp.damaged(venv)]
    missing = system.missing_libraries()
    if missing:
        rows.append(("Libraries", f"missing: {system.install_line(system.package_manager(), missing)}"))
    rows.append(("Disk", f"{system.free_gb(root):.0f} GB free"))
    for name, text in rows:
        out.write(f"{name + ':':13} {text}\n")
    return 1 if isinstance(choice, Refusal) else 0


def gpu_rows(machine: Machine) -> list[tuple[str, str]]:
    """One row a GPU."""
    rows: list[tuple[str, str]] = []
    for card in machine.nvidia:
        level = chooser.capability(card)
        facts = [
            f"{card.memory_mib / 1024:.0f} GB" if card.memory_mib else "",
            f"compute {dotted(level)}" if level else "",
        ]
        facts += [
            f"driver {dotted(machine.nvidia_driver)}" if machine.nvidia_driver else "",
            f"CUDA {dotted(machine.cuda)}",
        ]
        rows.append(("GPU", f"{card.name} ({', '.join(fact for fact in facts if fact)})"))
    rows += [("GPU", f"{card.name} {card.target}".strip()) for card in machine.amd]
    rows += [("GPU", card.name) for card in machine.intel]
    if machine.system == "darwin" and machine.arch == "arm64":
        rows.append(("GPU", "Apple silicon"))
    return rows or [("GPU", "none that PyTorch can use")]
