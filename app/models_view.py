"""How models, downloads and storage look on the command line: tables and texts for people, plain data for JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from tqdm import tqdm

from app.hub_protocol import Hit, RepoFacts
from app.messages import words
from app.models import AddOn, ModelEntry
from app.weights import CheckReport, Offer, Status, StorageReport
from models.catalog.shelves import memory_by_precision
from models.families import family_title
from models.machine import Fit, Verdict
from models.recognise import FileKind, Recognised

GB = 1_000_000_000

_STATUS = {
    Status.AVAILABLE: "",
    Status.DOWNLOADING: "downloading",
    Status.PARTIAL: "unfinished",
    Status.INSTALLED: "here",
    Status.DAMAGED: "damaged",
}
_RISKS = {
    "pickle_only": "only in an old file format that can carry harmful code",
    "remote_code": "brings program code of its own",
    "unsafe_scan": "the hub's virus scan found something",
}
_ACCESS = {
    "open": "",
    "granted": "gated; you have access",
    "no_token": "gated; sign in first",
    "token_scope": "gated; your token may not read gated repositories",
    "licence_not_accepted": "gated; accept its licence on its page first",
    "awaiting_review": "gated; your request awaits an answer",
}


def builtins(value: object) -> Any:
    """A struct as plain JSON data."""
    return msgspec.to_builtins(value)


def size(count: int) -> str:
    """Bytes in the unit people use: "6.9 GB", "240 MB"."""
    if count >= GB:
        return f"{count / GB:.1f} GB"
    return f"{count / 1_000_000:.0f} MB" if count >= 1_000_000 else f"{max(0, count) / 1000:.0f} kB"


def fit_words(verdict: Verdict | None) -> str:
    """The verdict in a few words; empty where there is none."""
    if verdict is None:
        return ""
    if verdict.plan is not None and verdict.plan.device == "cpu":
        return "runs, slowly"  # with all its room on the processor still not fast
    if verdict.fit is Fit.FAST:
        return "runs fast"
    if verdict.fit is Fit.OFFLOAD:
        return "runs, slower"
    return f"too large: needs {size(verdict.needed_bytes)}"


# -- tables ------------------------------------------------------------------------------------------------------------


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in (*rows, head)) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
    return "\n".join(lines)


def offers_table(offers: Iterable[Offer]) -> str:
    rows = [
        (
            o.entry.id,
            o.entry.role.value,
            size(o.entry.download_bytes) if o.entry.download_bytes else "?",
            o.entry.licence.use.value + (" (gated)" if o.entry.gated else ""),
            fit_words(o.verdict),
            _STATUS[o.status],
        )
        for o in offers
    ]
    return table(rows, ("ID", "TASK", "SIZE", "LICENCE", "THIS COMPUTER", ""))


def installed_table(entries: Iterable[ModelEntry], addons: Iterable[AddOn]) -> str:
    rows = [
        (e.card.id, "model", size(e.card.size_bytes), words(e.problem).sentence if e.problem else "") for e in entries
    ]
    rows += [
        (a.id, f"{a.kind} for {family_title(a.family)}" if a.family else a.kind, size(a.size_bytes), "") for a in addons
    ]
    return table(rows, ("ID", "WHAT", "SIZE", ""))


def hits_table(hits: Sequence[Hit]) -> str:
    rows = [(h.repo, h.pipeline_tag, h.licence + (" (gated)" if h.gated else ""), f"{h.downloads:,}") for h in hits]
    return table(rows, ("REPOSITORY", "TASK", "LICENCE", "DOWNLOADS")) if rows else "Nothing found."


# -- texts -------------------------------------------------------------------------------------------------------------


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"{name + ':':<18} {value}" for name, value in pairs if value)


def offer_text(offer: Offer) -> str:
    entry = offer.entry
    memory = ", ".join(f"{name} {size(count)}" for name, count in memory_by_precision(entry).items())
    recommended = ", ".join(f"{name} {value}" for name, value in entry.defaults.items())
    licence = f"{entry.licence.name} ({entry.licence.use.value}) {entry.licence.url}".strip()
    facts = _lines((
        ("ID", entry.id),
        ("Repository", entry.repo),
        ("Family", family_title(entry.family)),
        ("Task", ", ".join((entry.role.value, *entry.also))),
        ("Status", _STATUS[offer.status]),
        ("Download", size(entry.download_bytes) if entry.download_bytes else "not known"),
        ("This computer", fit_words(offer.verdict)),
        ("Parameters", f"{entry.parameters / 1e9:.2f} billion" if entry.parameters else ""),
        ("Weights in memory", memory),
        ("Licence", licence),
        ("Conditions", entry.licence.note),
        ("Gated", "yes: sign in and accept the licence on its page" if entry.gated else ""),
        ("Without a gate", entry.ungated),
        ("Recommended", recommended),
        ("Requires", ", ".join(entry.requires)),
        ("Faster with", ", ".join(entry.fast)),
        ("Checked", entry.checked),
        ("Not confirmed", ", ".join(entry.unverified)),
    ))  # fmt: skip
    examples = "".join(f"\n  {example}" for example in entry.examples)
    return f"{entry.name}\n{entry.summary}\n\n{facts}" + (f"\n\nTry:{examples}" if examples else "")


def entry_text(entry: ModelEntry) -> str:
    card = entry.card
    problem = words(entry.problem) if entry.problem else None
    facts = _lines((
        ("ID", card.id),
        ("Pipeline", card.pipeline),
        ("Size", size(card.size_bytes)),
        ("Licence", card.licence),
        ("Folder", card.ref.folder),
        ("Problem", f"{problem.sentence} {problem.advice}" if problem else ""),
    ))  # fmt: skip
    return f"{card.name}\n{card.summary}\n\n{facts}" if card.summary else f"{card.name}\n\n{facts}"


def facts_text(facts: RepoFacts, verdict: Verdict | None) -> str:
    problem = words(facts.problem) if facts.problem else None
    lines = _lines((
        ("Repository", facts.repo),
        ("Version", facts.commit),
        ("What it is", f"{facts.kind} {facts.pipeline}".strip()),
        ("Family", family_title(facts.family)),
        ("Download", f"{size(facts.total_bytes)} in {len(facts.files)} files"),
        ("Here already", size(facts.here_bytes) if facts.here_bytes else ""),
        ("This computer", fit_words(verdict)),
        ("Licence", f"{facts.licence} {facts.licence_url}".strip()),
        ("Access", _ACCESS.get(facts.access, facts.access)),
        ("Careful", "; ".join(_RISKS.get(risk, risk) for risk in facts.risks)),
        ("Problem", f"{problem.sentence} {problem.advice}" if problem else ""),
        ("Other files", ", ".join(file.path for file in facts.others)),
    ))  # fmt: skip
    return f"{facts.repo}\n\n{lines}"


def recognised_words(found: Recognised) -> str:
    """ "LoRA for Stable Diffusion XL, “Title”"."""
    names = {
        FileKind.CHECKPOINT: "Model", FileKind.DENOISER: "Model without text encoders", FileKind.LORA: "LoRA",
        FileKind.VAE: "VAE", FileKind.EMBEDDING: "Embedding", FileKind.CONTROLNET: "ControlNet",
        FileKind.IP_ADAPTER: "IP-Adapter", FileKind.UPSCALER: "Upscaler", FileKind.TEXT_ENCODER: "Text encoder",
        FileKind.BACKGROUND: "Background removal", FileKind.CAPTION: "Captioner", FileKind.DETECTION: "Detector",
        FileKind.DEPTH: "Depth maps", FileKind.POSE: "Pose maps", FileKind.SEGMENTATION: "Maps of areas",
        FileKind.UNKNOWN: "Unknown file",
    }  # fmt: skip
    family = f" for {family_title(found.family)}" if found.family else ""
    title = f", “{found.title}”" if found.title else ""
    return f"{names.get(found.kind, found.kind)}{family}{title}"


def check_text(report: CheckReport) -> str:
    if not report.bad:
        unknown = f" ({report.unknown} without a known checksum)" if report.unknown else ""
        return f"{report.id}: {report.files} files, {size(report.bytes)}, all as they should be{unknown}."
    bad = "".join(f"\n  {file.path}: {file.why}" for file in report.bad)
    count = f"{len(report.bad)} of {report.files}"
    return f"{report.id}: {count} files are not as they should be.{bad}\nRun: atelier models repair {report.id}"


def storage_text(report: StorageReport) -> str:
    rows = [
        (
            item.id,
            item.kind.value,
            item.role,
            size(item.size_bytes),
            size(item.freed_bytes) if item.removable else "-",
            item.state,
        )
        for item in report.items
    ]
    listed = table(rows, ("ID", "FROM", "WHAT", "SIZE", "FREED IF REMOVED", "STATE"))
    facts = _lines((
        ("Folder", report.cache),
        ("In use", size(report.total_bytes)),
        ("Saved by sharing", size(report.saved_bytes) if report.saved_bytes else ""),
        ("Stored twice", f"{size(report.duplicate_bytes)} (atelier models merge)" if report.duplicate_bytes else ""),
        ("Left over", f"{size(report.orphan_bytes)} (atelier models clean)" if report.orphan_bytes else ""),
        ("Disk", f"{size(report.disk_free)} of {size(report.disk_total)} free"),
    ))  # fmt: skip
    return f"{listed}\n\n{facts}"


# -- JSON --------------------------------------------------------------------------------------------------------------


def verdict_json(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "fit": verdict.fit.value,
        "needed_bytes": verdict.needed_bytes,
        "usable_bytes": verdict.usable_bytes,
        "fits_now": verdict.fits_now,
        "plan": None if verdict.plan is None else builtins(verdict.plan),
    }


def offer_json(offer: Offer, whole: bool = False) -> dict[str, Any]:
    entry = offer.entry
    brief = {
        "id": entry.id, "name": entry.name, "repo": entry.repo, "task": entry.role.value, "family": entry.family,
        "status": offer.status.value, "model": offer.model_id, "download_bytes": entry.download_bytes,
        "licence": entry.licence.name, "use": entry.licence.use.value, "gated": entry.gated,
        "accepted": offer.accepted or None, "verdict": verdict_json(offer.verdict),
    }  # fmt: skip
    if not whole:
        return brief
    return {**builtins(entry), **brief, "licence": builtins(entry.licence), "memory": memory_by_precision(entry)}


def entry_json(entry: ModelEntry) -> dict[str, Any]:
    card = entry.card
    return {
        "id": card.id, "name": card.name, "kind": "model", "pipeline": card.pipeline, "size_bytes": card.size_bytes,
        "licence": card.licence, "folder": card.ref.folder, "fit": entry.fit,
        "problem": None if entry.problem is None else entry.problem.code.value,
    }  # fmt: skip


def addon_json(addon: AddOn) -> dict[str, Any]:
    return dict(builtins(addon))


def facts_json(facts: RepoFacts, verdict: Verdict | None) -> dict[str, Any]:
    return {**builtins(facts), "verdict": verdict_json(verdict)}


# -- progress ----------------------------------------------------------------------------------------------------------


def quiet(done: int, total: int) -> None:
    """Progress nobody sees."""


class Meter:
    """A bar on standard error; nothing where that is no terminal."""

    def __init__(self, title: str) -> None:
        self._bar = tqdm(
            total=1, unit="B", unit_scale=True, unit_divisor=1000, file=sys.stderr, leave=False, desc=title,
            disable=not sys.stderr.isatty(),
        )  # fmt: skip

    def __call__(self, done: int, total: int) -> None:
        self._bar.total, self._bar.n = max(1, total), done
        self._bar.refresh()
        if done >= total:
            self._bar.close()
