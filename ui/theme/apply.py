"""Puts the tokens on the application: fonts, palette and style sheet, live when the system or the setting changes."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from app.paths import ASSETS
from ui import theme
from ui.theme import tokens
from ui.theme.tokens import DARK, LIGHT, Colors

SCHEMES = {
    "system": Qt.ColorScheme.Unknown,
    "light": Qt.ColorScheme.Light,
    "dark": Qt.ColorScheme.Dark,
}


def style_sheet(colors: Colors) -> str:
    """The style sheet filled with ``colors`` and the sizes."""
    sizes = {
        name.lower(): str(value) for name, value in vars(tokens).items() if name.isupper() and isinstance(value, int)
    }
    text = files("ui.theme").joinpath("base.qss").read_text(encoding="utf-8")
    return Template(text).substitute(colors.as_dict(), **sizes, font=tokens.FONT_FAMILY)


def palette(colors: Colors) -> QPalette:
    role = QPalette.ColorRole
    pairs = {
        role.Window: colors.bg,
        role.WindowText: colors.text,
        role.Base: colors.raised,
        role.AlternateBase: colors.panel,
        role.Text: colors.text,
        role.Button: colors.raised,
        role.ButtonText: colors.text,
        role.BrightText: colors.bad,
        role.Highlight: colors.accent,
        role.HighlightedText: colors.on_accent,
        role.Accent: colors.accent,
        role.Link: colors.accent,
        role.PlaceholderText: colors.faint,
        role.ToolTipBase: colors.raised,
        role.ToolTipText: colors.text,
        role.Mid: colors.line,
        role.Light: colors.hover,
        role.Dark: colors.line,
    }
    result = QPalette()
    for name, value in pairs.items():
        result.setColor(name, QColor(value))
    for name in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, name, QColor(colors.faint))
    return result


def load_fonts(app: QApplication) -> None:
    """Use the bundled Inter; where it cannot be loaded the system's own font stands in."""
    for style in ("Regular", "Medium", "SemiBold"):
        QFontDatabase.addApplicationFont(str(ASSETS / "fonts" / f"Inter-{style}.ttf"))
    font = QFont(tokens.FONT_FAMILY)
    font.setPixelSize(tokens.BODY)
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    app.setFont(font)


class Theme(QObject):
    """The application's theme: follows the system until the user chose one."""

    changed = Signal()

    def __init__(self, app: QApplication, choice: str = "system") -> None:
        super().__init__(app)
        self._app = app
        self._choice = ""
        app.setStyle("Fusion")
        load_fonts(app)
        app.styleHints().colorSchemeChanged.connect(self._system_changed)
        self.choose(choice)

    def choose(self, choice: str) -> None:
        """ "light", "dark" or "system"."""
        if choice == self._choice:
            return
        self._choice = choice
        hints = self._app.styleHints()
        if choice == "system":
            hints.unsetColorScheme()
        else:
            hints.setColorScheme(SCHEMES[choice])
        self._apply()

    def reduced_motion(self) -> bool:
        """True when the system asks for less motion (Qt can tell since 6.11)."""
        hints = self._app.styleHints()  # held while its child is asked
        accessibility = getattr(hints, "accessibility", lambda: None)()
        preference = getattr(accessibility, "motionPreference", lambda: None)()
        return getattr(preference, "name", "") == "ReducedMotion"

    def _system_changed(self) -> None:
        if self._choice == "system":
            self._apply()

    def _apply(self) -> None:
        scheme = SCHEMES[self._choice]
        if scheme is Qt.ColorScheme.Unknown:
            scheme = self._app.styleHints().colorScheme()
        colors = LIGHT if scheme is Qt.ColorScheme.Light else DARK
        if colors is theme.current() and self._app.styleSheet():
            return
        theme.set_current(colors)
        self._app.setPalette(palette(colors))
        self._app.setStyleSheet(style_sheet(colors))
        self.changed.emit()
