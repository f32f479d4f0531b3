"""Words on their way to the screen: translation, plurals, and numbers with units."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

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


def number(value: float) -> str:
    """Without trailing zeros: 3.5, 7."""
    return f"{value:g}"
