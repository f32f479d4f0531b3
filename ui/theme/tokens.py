"""The named colours, distances and type sizes of the window. Nothing else in ``ui`` names a colour.

``faint`` is for hints only; every other text colour reaches 4.5:1 on the surfaces it stands on (a test measures it).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Colors:
    """One theme. ``*_tint`` are quiet surfaces in the colour's direction; ``on_accent`` is text upon the accent."""

    bg: str
    panel: str
    raised: str
    hover: str
    pressed: str
    line: str
    edge: str
    text: str
    soft: str
    faint: str
    canvas: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_tint: str
    good: str
    warn: str
    bad: str
    bad_tint: str
    track: str
    knob: str
    shadow: str
    dark: bool

    def as_dict(self) -> dict[str, str]:
        return {key: str(value) for key, value in asdict(self).items() if key != "dark"}


DARK = Colors(
    bg="#16171a",
    panel="#1d1f23",
    raised="#26292e",
    hover="#2e3137",
    pressed="#34383f",
    line="#2f3238",
    edge="#3c4048",
    text="#eceef1",
    soft="#a2a8b3",
    faint="#6b7280",
    canvas="#101114",
    accent="#f2a65a",
    accent_hover="#f6b679",
    on_accent="#1a1410",
    accent_tint="#332a21",
    good="#57c08a",
    warn="#e3b341",
    bad="#ef6a6a",
    bad_tint="#33222a",
    track="#2f3238",
    knob="#f4f5f7",
    shadow="#000000",
    dark=True,
)

LIGHT = Colors(
    bg="#f5f4f1",
    panel="#ffffff",
    raised="#f0eeea",
    hover="#e8e5df",
    pressed="#dfdbd3",
    line="#e2dfd8",
    edge="#cfcbc2",
    text="#1d1f23",
    soft="#5c636e",
    faint="#9299a5",
    canvas="#e8e8e8",
    accent="#b35d17",
    accent_hover="#a85614",
    on_accent="#ffffff",
    accent_tint="#f7ebe0",
    good="#217248",
    warn="#805800",
    bad="#b93434",
    bad_tint="#fbe9e7",
    track="#e2dfd8",
    knob="#1d1f23",
    shadow="#3a362e",
    dark=False,
)

CANVAS_COLORS = {"black": "#000000", "white": "#ffffff"}
"""What the setting ``canvas`` can be besides ``neutral``, which is the theme's own ``canvas``."""

MASK_TINT, MASK_LIGHT, MASK_DARK = (232, 52, 92, 120), (255, 255, 255, 120), (20, 4, 10, 120)
"""The tint over what a mask chooses and its light and dark diagonals (red, green, blue, opacity)."""

AREAS = ("#4c9be8", "#e8a33d", "#57b86b", "#c66bd6", "#e05d5d", "#3fbdb4", "#b7a53a", "#8c7be0")
"""The colours of painted areas, in their order; they start over."""

CHECKER_LIGHT, CHECKER_DARK = "#d8d8d8", "#b4b4b4"
"""What shows through transparent places of a picture."""

FONT_FAMILY = "Inter"
BODY, HEADING, SECONDARY, HINT, TITLE = 13, 15, 12, 11, 20

GAP, GROUP, PANEL_PAD, CANVAS_EDGE = 8, 12, 20, 28
RADIUS, RADIUS_CARD, RADIUS_FLOAT = 8, 10, 12
TARGET, CONTROL, ICON = 28, 32, 18
MOTION_MS = 150
RAIL_WIDTH, FORM_WIDTH, SIDE_WIDTH = 76, 344, 248


def luminance(color: str) -> float:
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two colours, 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
