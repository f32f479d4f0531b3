"""Words on their way to the screen: translation, plurals, and numbers with units."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale

_CONTEXT = "atelier"


def tr(text: str, /, **values: object) -> str:
    """``text`` in the user's language, with ``{name}`` filled from ``values``. Called late, never while importing."""
    translated = QCoreApplication.translate(_CONTEXT, text)
    return translated.format(**values) if values else translated


def plural(one: str, many: str, count: int, /, **values: object) -> str:
    """``one`` or ``many`` by ``count``, which also fills ``{n}``."""
    return tr(one if count == 1 else many, n=f"{count:,}", **values)


def duration(seconds: float) -> str:
    """ "9 s", "1 min 20 s", "2 h 5 min": never more precise than a person needs."""
    if seconds < 1:
        return tr("less than a second")
    whole = round(seconds)
    if whole < 60:
        return tr("{n} s", n=whole)
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return tr("{m} min {s} s", m=minutes, s=rest) if rest and minutes < 10 else tr("{m} min", m=minutes)
    hours, rest = divmod(whole // 60, 60)
    return tr("{h} h {m} min", h=hours, m=rest) if rest else tr("{h} h", h=hours)


def gigabytes(count: int) -> str:
    """Bytes as gigabytes with one decimal, without the unit."""
    value = count / 2**30
    return f"{value:.1f}".removesuffix(".0") if value < 100 else f"{value:.0f}"


def file_size(count: int) -> str:
    """Bytes of files with their unit, in powers of 1000 as the hub and most file managers count them."""
    for unit, least in (("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)):
        if count >= least or unit == "KB":
            value = count / least if count >= least or not count else 1.0  # what is there takes some room
            digits = 1 if value < 100 and unit == "GB" else 0
            words = f"{value:.{digits}f}".removesuffix(".0")
            return tr("{n} {unit}", n=words, unit=unit)
    raise AssertionError(count)


def day(seconds: float) -> str:
    """A date without its time, as the user's system writes it."""
    return QLocale().toString(QDateTime.fromSecsSinceEpoch(int(seconds)).date(), QLocale.FormatType.ShortFormat)


def ago(seconds: float, now: float) -> str:
    """ "today", "yesterday", "12 days ago", then the date."""
    days = int((now - seconds) // 86400)
    if days < 1:
        return tr("today")
    if days == 1:
        return tr("yesterday")
    return tr("{n} days ago", n=days) if days < 60 else day(seconds)


def number(value: float) -> str:
    """Without trailing zeros: 3.5, 7."""
    return f"{value:g}"
