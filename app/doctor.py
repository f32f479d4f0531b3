"""What machine this is, what will run on it and why not: collected as data, and told as text.

``collect`` starts the engine's probe in a child process and waits for it (seconds). Nothing here imports torch, and
nothing raises: what cannot be found out is part of the report.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import msgspec

from app import hardware, messages
from app.hardware import GraphicsMemory, ProbeFailure, SeenCard
from models import folders, planning
from models.card import ModelCard
from models.errors import AtelierError
from models.planning import GB, Backend, DeviceFacts, Fit, Placement, Plan, ProbeReport

REPAIR = "python3 installers/bootstrap.py setup --repair"
WIDTH = 80
"""Columns the text keeps to."""
LITTLE_RAM = 8 * GB
LITTLE_DISK = 10 * GB
_OLDEST_MACOS = 14
_BUILDS = {"NVIDIA": "cuda", "AMD": "rocm", "Intel": "xpu"}
_APP_PACKAGES = ("atelier", "PySide6_Essentials", "pydantic", "msgspec", "pillow")


class Disk(msgspec.Struct, frozen=True):
    """Room at one of Atelier's folders, in bytes; -1 where it cannot be asked."""

    name: str
    path: str
    free: int = -1
    total: int = -1
    writable: bool = False


class Engine(msgspec.Struct, frozen=True):
    """Whether the engine's interpreter starts; ``reason`` and ``detail`` say why not."""

    python: str
    works: bool
    torch_build: str = ""
    versions: dict[str, str] = {}
    reason: str = ""
    detail: str = ""


class ModelLine(msgspec.Struct, frozen=True):
    """One model: how it would be loaded on ``DoctorReport.device``, or in ``problem`` why it cannot be."""

    id: str
    name: str
    fit: str = ""
    needed_bytes: int = 0
    fits_now: bool = True
    plan: Plan | None = None
    problem: str = ""


class Finding(msgspec.Struct, frozen=True):
    """Something that is wrong or will be, and what to do about it (with a command to copy, where there is one)."""

    sentence: str
    advice: str = ""
    command: str = ""


class DoctorReport(msgspec.Struct, frozen=True):
    """Everything found out; memory and disk in bytes."""

    system: str
    machine: str
    python: str
    versions: dict[str, str]
    ram: hardware.Ram
    engine: Engine
    devices: tuple[DeviceFacts, ...] = ()
    device: str = ""
    driver: str = ""
    graphics: tuple[GraphicsMemory, ...] = ()
    cards: tuple[SeenCard, ...] = ()
    disks: tuple[Disk, ...] = ()
    models: tuple[ModelLine, ...] = ()
    warnings: tuple[Finding, ...] = ()


# -- finding out ------------------------------------------------------------------------------------------------------


def collect(paths: Mapping[str, Path], models: Sequence[ModelCard], python: str) -> DoctorReport:
    """Look at everything. ``paths`` are folders by what they are for, ``python`` the engine's interpreter."""
    probe = hardware.probe_engine(python)
    devices = probe.devices if isinstance(probe, ProbeReport) else ()
    chosen = planning.choose(devices) if devices else None
    report = DoctorReport(
        system=f"{platform.system()} {platform.release()}",
        machine=platform.machine(),
        python=platform.python_version(),
        versions=_versions(_APP_PACKAGES),
        ram=hardware.ram(),
        engine=_engine(python, probe),
        devices=devices,
        device=chosen.torch_device if chosen else "",
        driver=hardware.nvidia_driver(),
        graphics=hardware.graphics_memory(),
        cards=hardware.seen_cards(),
        disks=tuple(_disk(name, path) for name, path in paths.items()),
        models=tuple(_model(card, chosen) for card in models),
    )
    problems = probe.problems if isinstance(probe, ProbeReport) else ()
    return msgspec.structs.replace(report, warnings=tuple(findings(report, problems)))


def _versions(names: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _engine(python: str, probe: ProbeReport | ProbeFailure) -> Engine:
    if isinstance(probe, ProbeFailure):
        return Engine(python, False, reason=probe.sentence, detail=probe.detail)
    return Engine(python, True, probe.torch_build, {**probe.versions, "torch": probe.torch})


def _disk(name: str, path: Path) -> Disk:
    there = path
    while not there.exists() and there != there.parent:  # a folder that is made on first use lies on its parent's disk
        there = there.parent
    try:
        usage = shutil.disk_usage(there)
    except OSError:
        return Disk(name, str(path))
    return Disk(name, str(path), usage.free, usage.total, os.access(there, os.W_OK))


def _model(card: ModelCard, device: DeviceFacts | None) -> ModelLine:
    line = ModelLine(card.id, card.name)
    if not card.ref.folder:  # runs without weights
        return msgspec.structs.replace(line, fit=Fit.FAST.value)
    try:
        needs = folders.inspect(Path(card.ref.folder), card.name).needs
    except AtelierError as error:
        return msgspec.structs.replace(line, problem=messages.as_text(error.info))
    except OSError as error:
        return msgspec.structs.replace(line, problem=str(error))
    if device is None:
        return msgspec.structs.replace(line, problem="The engine does not start.")
    judged = planning.verdict(needs, device)
    return ModelLine(
        card.id, card.name, judged.fit.value, judged.needed_bytes, judged.fits_now, judged.plan, _too_large(judged)
    )


def _too_large(judged: planning.Verdict) -> str:
    if judged.fit is not Fit.TOO_LARGE:
        return ""
    if judged.needed_bytes <= judged.usable_bytes:
        return "Too large for this computer's memory, in which it would have to be kept."
    return f"Too large: needs about {_gb(judged.needed_bytes)}, this device has {_gb(judged.usable_bytes)} to use."


# -- what is wrong ----------------------------------------------------------------------------------------------------


def findings(report: DoctorReport, problems: Sequence[str] = ()) -> Iterator[Finding]:
    """What to put right, most important first. ``problems`` are the probe's."""
    if not report.engine.works:
        yield Finding(f"The engine does not work: {report.engine.reason}", "Repair the installation:", REPAIR)
    old = [problem for problem in problems if problem.endswith(planning.TOO_OLD)]
    yield from (Finding(f"{problem}.", "Install a PyTorch that still knows it:", REPAIR) for problem in old)
    if report.engine.works and not old:
        yield from _unused_cards(report)
    yield from (Finding(f"A device could not be used: {problem}.") for problem in problems if problem not in old)
    yield from _scarce(report)
    yield from _old_system(report)


def _unused_cards(report: DoctorReport) -> Iterator[Finding]:
    """Graphics cards that the engine does not see although they are there."""
    used = {_vendor(facts.backend) for facts in report.devices}
    vendors = dict.fromkeys(card.vendor for card in report.cards)
    if report.driver:
        vendors["NVIDIA"] = None
    build = report.engine.torch_build
    for vendor in vendors:
        # An Intel chip is nearly always the processor's own graphics, too small to be missed.
        if vendor in used or (vendor == "Intel" and len(vendors) > 1):
            continue
        if vendor == "NVIDIA" and not report.driver:
            yield Finding("There is an NVIDIA card, but its driver is not installed.", "Install NVIDIA's driver.")
        elif not build.startswith(_BUILDS[vendor]):
            if vendor != "Intel":
                sentence = f"There is an {vendor} card, but the installed PyTorch ({build}) cannot use it."
                yield Finding(sentence, "Install the one made for it:", REPAIR)
        else:
            driver = f" (driver {report.driver})" if vendor == "NVIDIA" else ""
            sentence = f"PyTorch ({build}) does not see the {vendor} card{driver}; the driver may be too old for it."
            yield Finding(sentence, "Update the driver, or install a PyTorch that fits it:", REPAIR)


def _vendor(backend: Backend) -> str:
    return {Backend.CUDA: "NVIDIA", Backend.ROCM: "AMD", Backend.XPU: "Intel"}.get(backend, "")


def _scarce(report: DoctorReport) -> Iterator[Finding]:
    if report.ram.total < LITTLE_RAM * 0.95:
        yield Finding(f"This computer has {_gb(report.ram.total)} of memory.", "Only small models will run.")
    for disk in report.disks:
        if disk.free < 0:
            yield Finding(f"The folder {disk.path} ({disk.name}) cannot be read.", "Choose another in Settings.")
        elif not disk.writable:
            yield Finding(f"The folder {disk.path} ({disk.name}) cannot be written.", "Choose another in Settings.")
    low = {disk.free: disk for disk in report.disks if 0 <= disk.free < LITTLE_DISK}
    for disk in low.values():  # one warning a disk: folders on the same one have the same room
        yield Finding(f"Only {_gb(disk.free)} are free where {disk.path} lies.", "Models take 2 to 60 GB each.")
    for card in report.graphics:
        if card.used > card.total // 2:
            yield Finding(
                f"Other programs use {_gb(card.used)} of the {_gb(card.total)} on {card.name}.",
                "Close those that draw or compute a lot (games, browsers, other image programs).",
            )


def _old_system(report: DoctorReport) -> Iterator[Finding]:
    for facts in report.devices:
        version = facts.system.removeprefix("macOS ").split(".")[0]
        is_old = facts.system.startswith("macOS ") and version.isdigit() and int(version) < _OLDEST_MACOS
        if is_old and facts.backend is Backend.MPS:
            yield Finding(f"{facts.system} computes some models wrongly.", f"Update to macOS {_OLDEST_MACOS} or newer.")
    if report.devices and all(facts.backend is Backend.CPU for facts in report.devices) and not _seen(report):
        yield Finding("There is no graphics card to use.", "Pictures take minutes instead of seconds.")


def _seen(report: DoctorReport) -> bool:
    return bool(report.cards or report.graphics or report.driver)


# -- telling ----------------------------------------------------------------------------------------------------------


def render(report: DoctorReport) -> str:
    """The report as plain text for a terminal of 80 columns."""
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    blocks = [
        _block("Computer", _computer(report)),
        _block("Atelier", [("Python", f"{report.python} ({sys.platform})"), ("With", versions or "-")]),
        _block("Engine", _engine_rows(report.engine)),
        _block("Devices", [_device(facts, report.device) for facts in report.devices]),
        _block("Disk", [(disk.name.capitalize(), _room(disk)) for disk in report.disks]),
        _block("Models", [(line.name, _model_words(line)) for line in report.models]),
        _advice(report.warnings),
    ]
    return "\n\n".join(block for block in blocks if block)


def _computer(report: DoctorReport) -> list[tuple[str, str]]:
    rows = [
        ("System", f"{report.system} ({report.machine})"),
        ("Memory", f"{_gb(report.ram.total)}, {_gb(report.ram.available)} available"),
    ]
    rows += [("Graphics", f"{card.name}, {_gb(card.total)}, {_gb(card.used)} in use") for card in report.graphics]
    if not report.graphics:
        seen = ", ".join(f"{card.vendor} ({card.driver or 'no driver'})" for card in report.cards)
        rows += [("Graphics", seen)] if seen else []
    return [*rows, ("Driver", f"NVIDIA {report.driver}")] if report.driver else rows


def _engine_rows(engine: Engine) -> list[tuple[str, str]]:
    rows = [("Python", engine.python), ("State", "works" if engine.works else f"does not work. {engine.reason}")]
    if engine.works:
        libraries = ", ".join(f"{name} {version}" for name, version in engine.versions.items() if name != "python")
        rows += [("With", libraries), ("Built for", engine.torch_build)]
    if engine.detail:
        rows.append(("Detail", engine.detail.splitlines()[-1]))
    return rows


def _device(facts: DeviceFacts, chosen: str) -> tuple[str, str]:
    used = " <- used" if facts.torch_device == chosen else ""
    quick = [name for name, fast in (("bfloat16", facts.fast_bf16), ("float16", facts.fast_fp16)) if fast]
    speed = f", fast in {' and '.join(quick)}" if quick else ""
    memory = f"{_gb(facts.memory_total)}, {_gb(facts.memory_free)} free"
    return facts.torch_device, f"{facts.name}, {memory}{speed}{used}"


def _room(disk: Disk) -> str:
    return f"{disk.path}: " + (f"{_gb(disk.free)} free of {_gb(disk.total)}" if disk.free >= 0 else "cannot be read")


_PLACES = {
    Placement.WHOLE: "all on the device",
    Placement.MODEL_OFFLOAD: "one part on the device at a time",
    Placement.GROUP_OFFLOAD: "a few layers on the device at a time (slower)",
    Placement.SEQUENTIAL_OFFLOAD: "one layer on the device at a time (slow)",
}


def _model_words(line: ModelLine) -> str:
    if line.problem:
        return f"will not run. {line.problem}"
    if line.plan is None:
        return "will run"
    numbers = f"{line.plan.dtype}, about {_gb(line.plan.needed_bytes)}"
    tiled = ", decoding in tiles" if line.plan.vae_tiling else ""
    now = "" if line.fits_now else " Not now: other programs use the memory."
    return f"will run: {_PLACES[line.plan.placement]}, {numbers}{tiled}.{now}"


def _block(title: str, rows: Sequence[tuple[str, str]]) -> str:
    if not rows:
        return ""
    column = min(max(len(name) for name, _ in rows), 24) + 2
    lines = [title]
    for name, text in rows:
        if len(name) > 24:  # a long name gets a line of its own
            lines += _wrap(name, "  ", "    ")
            lines += _wrap(text, "      ", "      ")
        else:
            lines += _wrap(text, f"  {name:<{column}}", " " * (column + 2))
    return "\n".join(lines)


def _advice(found: Sequence[Finding]) -> str:
    if not found:
        return "Nothing is wrong."
    lines = ["To put right"]
    for finding in found:
        lines += _wrap(f"{finding.sentence} {finding.advice}".strip(), "  * ", "    ")
        if finding.command:
            lines.append(f"      {finding.command}")  # never wrapped: it is there to be copied
    return "\n".join(lines)


def _wrap(text: str, first: str, rest: str) -> list[str]:
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=True, break_on_hyphens=False
    )
    return lines or [first.rstrip()]


def _gb(size: int) -> str:
    """Bytes in GB of 10^9, as disks and clouds count."""
    return f"{size / GB:.1f} GB" if size < 100 * GB else f"{size / GB:.0f} GB"
