"""The window as a whole: themes, settings, memory, accessibility, what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

from tests.gui.helpers import find, submit
from ui import theme
from ui.theme.tokens import DARK, LIGHT, Colors, contrast

TEXT = ("text", "soft", "good", "warn", "bad")
SURFACES = ("bg", "panel", "raised", "canvas")


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=["dark", "light"])
def test_text_can_be_read(colors: Colors) -> None:
    for role in TEXT:
        for surface in SURFACES:
            ratio = contrast(getattr(colors, role), getattr(colors, surface))
            assert ratio >= 4.5, f"{role} on {surface}: {ratio:.2f}"
    assert contrast(colors.on_accent, colors.accent) >= 4.5
    assert contrast(colors.on_accent, colors.accent_hover) >= 4.5


@pytest.mark.parametrize("colors", [DARK, LIGHT], ids=["dark", "light"])
def test_hints_and_focus_can_be_seen(colors: Colors) -> None:
    assert contrast(colors.faint, colors.panel) >= 2.8
    for surface in SURFACES:
        assert contrast(colors.accent, getattr(colors, surface)) >= 3, surface


def test_the_theme_switches_live(qtbot, window, core) -> None:
    assert theme.current() is DARK
    core.settings.change(theme="light")
    assert theme.current() is LIGHT
    assert LIGHT.panel in QApplication.instance().styleSheet()
    core.settings.change(theme="dark")
    assert theme.current() is DARK


def test_settings_change_at_once(qtbot, window, core) -> None:
    qtbot.keyClick(window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    assert window.page == "settings"
    qtbot.mouseClick(find(window, "settings.previews", QCheckBox), Qt.MouseButton.LeftButton)
    assert core.settings.value.previews is False
    canvas = find(window, "settings.canvas", QComboBox)
    canvas.setCurrentIndex(canvas.findData("black"))
    assert core.settings.value.canvas == "black"
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.page == "create"


def test_a_pictures_folder_that_cannot_be_used_is_refused(qtbot, window, core, tmp_path) -> None:
    window.show_page("settings")
    blocked = tmp_path / "file"
    blocked.write_text("")
    edit = find(window, "settings.pictures_folder", QLineEdit)
    edit.setText(str(blocked / "inside"))
    edit.editingFinished.emit()
    assert core.settings.value.pictures_folder == ""
    assert find(window, "settings.problem.pictures_folder").isVisible()
    edit.setText(str(tmp_path / "new"))
    edit.editingFinished.emit()
    assert core.settings.value.pictures_folder == str(tmp_path / "new")
    assert not find(window, "settings.problem.pictures_folder").isVisible()


def test_the_engine_line_and_restart(qtbot, window, core) -> None:
    assert window.rail.engine.words() == "GPU 8.1 / 12 GB"
    window.show_page("settings")
    qtbot.mouseClick(find(window, "settings.engine"), Qt.MouseButton.LeftButton)
    assert core.engine.restarts == 1
    assert window.rail.engine.words().startswith("Starting")


def test_state_comes_back_after_reopening(opened, core) -> None:
    window = opened(core, (1200, 700))
    window.workspace.create.set_values({"prompt": "green boat", "steps": 17})
    window.workspace.create.set_count(3)
    window.create_page.toggle_side()
    window.close()
    again = opened(core, window.size().toTuple())
    values = again.workspace.create.values()
    assert (values["prompt"], values["steps"], again.workspace.create.count) == ("green boat", 17, 3)
    assert again.create_page.side.isHidden()
    again.create_page.toggle_side()


def test_a_damaged_state_file_is_forgotten(opened, core) -> None:
    (core.paths.config / "window.json").write_text('{"panels": "x", "geometry": 3, "count": 2}')
    window = opened(core)
    assert window.workspace.create.count == 2


@pytest.mark.parametrize(
    "form", [{"steps": "abc", "width": None, "tiling": 3}, {"seed": [1], "prompt": 7}, {"steps": 1e300}, {"image": {}}]
)
def test_nonsense_in_a_remembered_form_gives_way_to_defaults(opened, core, form) -> None:
    import json

    (core.paths.config / "window.json").write_text(json.dumps({"forms": {"klein": form}}))
    window = opened(core)
    assert window.workspace.create.values() == window.workspace.create.defaults()


def test_without_a_screen_one_line_says_so(monkeypatch, capsys) -> None:
    import ui

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert ui.main() == 1
    assert "no screen" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ['{"count": "many"}', '{"forms": [1]}', "[]", "{", '{"panels": [0, "a"]}'])
def test_nonsense_in_the_state_file_does_no_harm(opened, core, damage) -> None:
    (core.paths.config / "window.json").write_text(damage)
    window = opened(core)
    assert window.workspace.create.count == 1


def test_panels_fold_in_a_small_window(qtbot, window) -> None:
    window.resize(1024, 640)
    qtbot.waitUntil(window.create_page.side.isHidden)
    qtbot.keyClick(window, Qt.Key.Key_F9)
    assert not window.create_page.side.isHidden()
    window.resize(1600, 900)
    qtbot.waitUntil(lambda: not window.create_page.side.isHidden())
    qtbot.keyClick(window, Qt.Key.Key_F9, Qt.KeyboardModifier.ShiftModifier)
    assert window.create_page.form.isHidden()


def focusable(root: QWidget) -> list[QWidget]:
    """What Tab can reach; the editors inside spin boxes and the lists of closed combo boxes belong to their owners."""
    found = [widget for widget in root.findChildren(QWidget) if widget.focusPolicy() & Qt.FocusPolicy.TabFocus]
    return [w for w in found if w.window() is root and not w.objectName().startswith("qt_")]


def test_everything_that_takes_the_focus_has_a_name(window, core) -> None:
    job = submit(core, window, count=2)
    core.begin(job)
    core.finish(job)
    core.settings.change(model_folders=("/somewhere",))
    window.create_page.form.form.open_section("advanced")
    unnamed = [
        f"{type(widget).__name__} {widget.objectName()!r} {widget.accessibleName()!r}"
        for widget in focusable(window)
        if not widget.objectName()
        or not (widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text()))
    ]
    assert unnamed == []


def test_object_names_are_unique_among_controls(window) -> None:
    names = [widget.objectName() for widget in focusable(window)]
    assert sorted(names) == sorted(set(names))


def test_every_field_s_label_is_its_buddy(window) -> None:
    window.show_page("settings")
    window.create_page.form.form.open_section("advanced")
    buddies = {label.buddy().objectName() for label in window.findChildren(QLabel) if label.buddy() is not None}
    wanted = {f"create.input.{name}" for name in ("width", "steps", "guidance_scale", "scheduler", "tiling")}
    assert wanted | {"create.prompt", "create.seed", "settings.theme", "settings.offline"} <= buddies


def test_targets_are_large_enough(window) -> None:
    small = [
        (widget.objectName(), widget.width(), widget.height())
        for widget in window.findChildren(QAbstractButton)
        if widget.isVisible() and min(widget.width(), widget.height()) < 28
    ]
    assert small == []


def test_tab_follows_the_eye(qtbot, window) -> None:
    find(window, "create.model").setFocus()
    order = []
    for _ in range(16):
        order.append(window.focusWidget().objectName())
        window.focusNextChild()
    named = [
        name
        for name in order
        if name
        in {
            "create.model",
            "create.prompt",
            "create.input.image",
            "create.input.width",
            "create.input.steps",
            "create.input.guidance_scale",
            "create.seed",
            "create.advanced",
            "create.count",
        }
    ]
    assert named[:4] == ["create.model", "create.prompt", "create.input.image", "create.input.width"]
    assert named[4:7] == ["create.input.steps", "create.input.guidance_scale", "create.seed"]


def test_tab_leaves_the_prompt(qtbot, window) -> None:
    prompt = find(window, "create.prompt", QPlainTextEdit)
    prompt.setFocus()
    qtbot.keyClick(prompt, Qt.Key.Key_Tab)
    assert window.focusWidget() is not prompt


def test_the_sheet_of_shortcuts_opens(qtbot, window) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F1, Qt.KeyboardModifier.ShiftModifier)
    sheet = find(window, "shortcuts")
    assert sheet.isVisible()
    sheet.close()


def test_dropping_a_folder_or_a_picture(window, core, tmp_path) -> None:
    from PySide6.QtCore import QMimeData, QPointF, QUrl
    from PySide6.QtGui import QDropEvent

    folder = tmp_path / "dropped"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    result = core.keep("r", "picture", 1, 96, 64)
    for path in (result.path, str(folder)):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(path)])
        buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        window.dropEvent(QDropEvent(QPointF(500, 400), Qt.DropAction.CopyAction, data, buttons, keys))
        if path == result.path:
            assert window.workspace.create.values()["image"] == result.path
    assert window.workspace.create.current == str(folder)


def test_a_picture_is_pasted_into_the_form(qtbot, window, core) -> None:
    from PySide6.QtGui import QGuiApplication, QImage

    image = QImage(20, 10, QImage.Format.Format_RGB32)
    image.fill(0x336699)
    QGuiApplication.clipboard().setImage(image)
    find(window, "create.generate").setFocus()
    qtbot.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.workspace.create.values()["image"] is not None)
    kept = window.workspace.create.values()["image"]
    assert QImage(kept).size() == image.size()
    QGuiApplication.clipboard().clear()


def test_copying_a_picture_puts_it_on_the_clipboard(qtbot, window, core) -> None:
    from PySide6.QtGui import QGuiApplication

    result = core.keep("r", "picture", 1, 96, 64)
    window.workspace.canvas.show_result("r")
    find(window, "create.canvas").setFocus()
    qtbot.keyClick(window, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    data = QGuiApplication.clipboard().mimeData()
    assert data.urls()[0].toLocalFile() == result.path
    assert QGuiApplication.clipboard().image().width() == 96
    QGuiApplication.clipboard().clear()


@pytest.mark.parametrize("module", ["ui", "ui.application", "ui.screenshots"])
def test_importing_the_window_pulls_in_no_torch(module: str) -> None:
    code = f"import sys, {module}; bad = {{'torch', 'diffusers', 'transformers', 'accelerate'}} & set(sys.modules); "
    code += "sys.exit(repr(bad) if bad else 0)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_ui_loads_no_qt() -> None:
    code = "import sys, ui; sys.exit('PySide6' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
