"""What a catalog entry, a repository or a download is called on the screen: task, fit, licence, size, state."""

from __future__ import annotations

from dataclasses import dataclass

from app.states import DownloadState
from app.weights import Download, Offer, Status
from models.catalog.entry import CatalogEntry, Role, Use
from models.catalog.shelves import memory_by_precision
from models.machine import Fit, Placement, Verdict
from ui.i18n import duration, file_size, gigabytes, tr

GIB = 2**30

ROLES: dict[Role, tuple[str, str]] = {
    Role.TEXT_TO_IMAGE: ("Pictures from text", "image"),
    Role.EDIT: ("Edits by instruction", "wand-sparkles"),
    Role.INPAINT: ("Fills in", "brush"),
    Role.CONTROLNET: ("ControlNet", "spline"),
    Role.IP_ADAPTER: ("Picture prompt", "blend"),
    Role.LORA: ("LoRA", "layers"),
    Role.VAE: ("VAE", "box"),
    Role.PREVIEW: ("Preview", "image"),
    Role.UPSCALER: ("Upscaler", "scaling"),
    Role.EMBEDDING: ("Embedding", "type"),
    Role.TEXT_ENCODER: ("Text encoder", "type"),
    Role.DEPTH: ("Depth", "mountain"),
    Role.BACKGROUND: ("Background removal", "eraser"),
    Role.CAPTION: ("Captions", "captions"),
    Role.SEGMENTATION: ("Segmentation", "shapes"),
    Role.NORMALS: ("Normals", "mountain"),
    Role.POSE: ("Poses", "person-standing"),
    Role.DETECTION: ("Detection", "scan-search"),
}
"""Words and icon of each task."""

USES: dict[Use, tuple[str, str, str]] = {
    Use.COMMERCIAL: ("Commercial use", "good", "You may use the model and its pictures for any purpose, also to earn."),
    Use.CONDITIONS: ("With conditions", "warn", "Commercial use is allowed within conditions; read them first."),
    Use.OUTPUTS: (
        "Outputs only",
        "warn",
        "You may sell pictures made with it, but not run it as part of a paid product or service.",
    ),
    Use.RESEARCH: ("Research only", "warn", "Neither the model nor its pictures may be used commercially."),
    Use.UNKNOWN: ("Licence unclear", "warn", "Its authors do not say what is allowed. Ask them before you publish."),
}
"""Badge, tone and sentence of what a licence allows."""

_FREE = (
    "apache",
    "mit",
    "bsd",
    "cc0",
    "cc-by-4",
    "cc-by-3",
    "cc-by-sa",
    "openrail",
    "creativeml-openrail",
    "unlicense",
)


def role_words(role: str) -> str:
    """Words for a catalog role or a kind of file; unknown ones as they are."""
    try:
        return tr(ROLES[Role(role)][0])
    except ValueError:
        extra = {"checkpoint": "Checkpoint", "denoiser": "Denoiser", "pipeline": "Model", "unknown": "Unknown kind"}
        return tr(extra.get(role, role.replace("-", " ").capitalize()))


def role_icon(role: str) -> str:
    try:
        return ROLES[Role(role)][1]
    except ValueError:
        return "image" if role in ("checkpoint", "pipeline") else "file-box"


def use_of(licence: str) -> Use:
    """What a hub's licence tag allows, as far as a tag can say it."""
    tag = licence.lower()
    if "-nc" in tag or "noncommercial" in tag or "non-commercial" in tag:
        return Use.RESEARCH
    return Use.COMMERCIAL if tag.startswith(_FREE) else Use.UNKNOWN


_CARDS = (4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192)


def card_size(needed: int) -> str:
    """The usual size of graphics memory, in GB, that ``needed`` bytes fit into."""
    wanted = needed / GIB / 0.92
    return str(next((size for size in _CARDS if size >= wanted), round(wanted)))


def on_processor(verdict: Verdict) -> bool:
    """True when it would run without a graphics card."""
    return verdict.plan is not None and verdict.plan.device == "cpu"


def fit_of(verdict: Verdict) -> Fit:
    """The verdict as people mean it: what has all its room on the processor still is not fast."""
    return Fit.OFFLOAD if verdict.fit is Fit.FAST and on_processor(verdict) else verdict.fit


def fit_badge(verdict: Verdict | None) -> tuple[str, str]:
    """ "Runs fast", "Runs, slower" or "Too large: needs 24 GB", and its tone; empty where nothing is known."""
    if verdict is None:
        return "", ""
    fit = fit_of(verdict)
    if fit is Fit.FAST:
        return tr("Runs fast"), "good"
    if fit is Fit.OFFLOAD and on_processor(verdict):
        return tr("Runs, slowly"), "warn"
    if fit is Fit.OFFLOAD:
        return tr("Runs, slower"), "warn"
    return tr("Too large: needs {n} GB", n=card_size(verdict.needed_bytes)), "bad"


def plan_words(verdict: Verdict, device: str) -> str:
    """How it would run here, as one or two sentences; ``device`` is "graphics memory" or the computer's own."""
    needed, usable = gigabytes(verdict.needed_bytes), gigabytes(verdict.usable_bytes)
    if verdict.fit is Fit.TOO_LARGE:
        return tr(
            "Even in parts it needs about {needed} GB of {device}; this computer can give {usable} GB.",
            needed=needed, usable=usable, device=device,
        )  # fmt: skip
    text = tr(
        "It needs about {needed} GB of {device}; this computer can give {usable} GB.",
        needed=needed, usable=usable, device=device,
    )  # fmt: skip
    plan = verdict.plan
    if on_processor(verdict):
        text += " " + tr("Without a graphics card a picture takes minutes.")
    elif plan is not None and plan.placement is not Placement.WHOLE:
        ram = tr("{n} GB", n=gigabytes(plan.ram_bytes)) if plan.ram_bytes else tr("the rest")
        text += " " + tr("Parts of it ({ram}) wait in the computer's memory, which takes longer.", ram=ram)
    elif not verdict.fits_now:
        text += " " + tr("Other programs use too much of it just now.")
    return text


_PRECISIONS = {"bfloat16": "16 bit", "8-bit": "8 bit", "4-bit": "4 bit"}


def memory_rows(entry: CatalogEntry, usable: int) -> tuple[tuple[str, str, str], ...]:
    """Words, gigabytes and tone for the weights in each precision, with an allowance for the work itself."""
    sizes = memory_by_precision(entry)
    found = []
    for precision, words in _PRECISIONS.items():
        if precision not in sizes:
            continue
        needed = sizes[precision] * 11 // 10 + GIB // 2
        tone = "" if not usable else "good" if needed <= usable else "soft"
        found.append((tr(words), tr("about {n} GB", n=gigabytes(needed)), tone))
    return tuple(found)


def parameters_words(count: int) -> str:
    """ "3.5 billion", "860 million"."""
    if count >= 1_000_000_000:
        return tr("{n} billion", n=f"{count / 1e9:.1f}".removesuffix(".0"))
    if count >= 10_000_000:
        return tr("{n} million", n=round(count / 1e6))
    if count >= 100_000:
        return tr("{n} million", n=f"{count / 1e6:.1f}".removesuffix(".0"))
    return tr("{n} thousand", n=max(1, round(count / 1e3))) if count else ""


def live(offer: Offer) -> Download | None:
    """The offer's download, if it has not ended."""
    download = offer.download
    return None if download is None or download.ended else download


@dataclass(frozen=True)
class ProgressWords:
    """A download in words: ``fraction`` is -1 while its size is not known; ``tone`` "", "warn" or "bad"."""

    fraction: float
    short: str
    line: str
    tone: str = ""


def fraction_of(download: Download) -> float:
    return min(1.0, download.done_bytes / download.total_bytes) if download.total_bytes else -1.0


def bytes_words(download: Download) -> str:
    if not download.total_bytes:
        return file_size(download.done_bytes) if download.done_bytes else ""
    return tr("{done} of {total}", done=file_size(download.done_bytes), total=file_size(download.total_bytes))


def progress_words(download: Download) -> ProgressWords:
    """Bytes of bytes, speed and time left, or why nothing moves."""
    fraction = fraction_of(download)
    amount = bytes_words(download)
    percent = tr("{n} %", n=int(fraction * 100)) if fraction >= 0 else tr("Starting")
    match download.state:
        case DownloadState.QUEUED:
            return ProgressWords(fraction, tr("Waiting"), _join(tr("Waiting for its turn"), amount))
        case DownloadState.PREPARING:
            return ProgressWords(fraction, tr("Starting"), tr("Asking the hub what to fetch"))
        case DownloadState.PAUSED:
            return ProgressWords(fraction, tr("Paused"), _join(tr("Paused"), amount))
        case DownloadState.VERIFYING:
            return ProgressWords(1.0, tr("Checking"), _join(tr("Checking that every byte is right"), amount))
        case DownloadState.FAILED:
            if download.waiting > 0:
                return ProgressWords(fraction, tr("Waiting"), _join(tr("Tries again by itself"), amount), "warn")
            return ProgressWords(fraction, tr("Stopped"), _join(tr("Stopped"), amount), "bad")
        case DownloadState.DONE:
            return ProgressWords(
                1.0, tr("Installed"), _join(tr("Ready to use"), file_size(download.total_bytes)), "good"
            )
        case DownloadState.CANCELLED:
            return ProgressWords(0.0, tr("Cancelled"), tr("Cancelled"))
        case _:
            if download.waiting > 0:
                again = tr("No connection; next try in {time}", time=duration(max(1.0, download.waiting)))
                return ProgressWords(fraction, tr("No connection"), _join(again, amount), "warn")
            speed = tr("{size} a second", size=file_size(int(download.speed))) if download.speed else ""
            left = download.seconds_left
            time = tr("{time} left", time=duration(max(1.0, left))) if left is not None else ""
            return ProgressWords(fraction, percent, _join(amount, speed, time))


def _join(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def state_words(offer: Offer) -> tuple[str, str, float]:
    """The short state on a card, its tone, and the fraction of its progress line (-2: no line)."""
    download = live(offer)
    if download is not None:
        words = progress_words(download)
        return words.short, words.tone, words.fraction
    match offer.status:
        case Status.INSTALLED:
            return tr("Installed"), "good", -2.0
        case Status.PARTIAL:
            return tr("Unfinished"), "warn", -2.0
        case Status.DAMAGED:
            return tr("Damaged"), "bad", -2.0
        case _:
            return "", "", -2.0
