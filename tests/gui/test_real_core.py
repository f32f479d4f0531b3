"""One story on the real core and a real worker process (the runner without torch)."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPlainTextEdit

from tests.gui.helpers import find


@pytest.mark.worker
def test_a_prompt_becomes_a_picture_and_is_there_after_a_restart(qtbot, home: Path) -> None:
    from ui import open_window

    (home / "settings").mkdir(parents=True)
    (home / "settings" / "settings.toml").write_text('model = "fake"\n')
    window = open_window()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    assert isinstance(QApplication.instance(), QApplication)
    prompt = find(window, "create.prompt", QPlainTextEdit)
    prompt.setPlainText("green hills")
    qtbot.keyClick(prompt, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.workspace.canvas.result() is not None, timeout=30_000)
    qtbot.waitUntil(window.create_page.canvas.view.has_picture)
    result = window.workspace.canvas.result()
    assert result is not None
    assert Path(result.path).is_file()
    window.close()
    again = open_window()
    assert again.workspace.recent.rowCount() == 1
    assert again.workspace.canvas.shown.result == result.id
    assert find(again, "create.prompt", QPlainTextEdit).toPlainText() == "green hills"
    again.close()
