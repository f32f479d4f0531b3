"""What goes out over the desktop: files and pixels in one clipboard, pages for a printer; and how exports are set."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRect, QSize
from PySide6.QtDBus import QDBusConnection
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPageSize, QPdfWriter
from PySide6.QtWidgets import QLabel, QLineEdit

from tests.gui.helpers import find
from ui.viewmodels import desktop


def coloured(name: str, width: int = 40, height: int = 20) -> QImage:
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(name))
    return image


def test_one_clipboard_has_the_file_and_the_picture(qapp, tmp_path: Path) -> None:
    file = tmp_path / "a picture, ümlaut.png"
    image = coloured("red")
    image.save(str(file))
    desktop.copy_pictures([str(file)], image)
    data = QGuiApplication.clipboard().mimeData()
    assert [url.toLocalFile() for url in data.urls()] == [str(file)]
    assert data.hasImage()
    assert QImage(data.imageData()).size() == QSize(40, 20)


def test_nothing_chosen_leaves_the_clipboard_alone(qapp) -> None:
    QGuiApplication.clipboard().setText("kept")
    desktop.copy_pictures([])
    assert QGuiApplication.clipboard().text() == "kept"


def test_each_picture_has_a_page_of_its_own(qapp, tmp_path: Path) -> None:
    target = tmp_path / "pages.pdf"
    writer = QPdfWriter(str(target))
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    writer.setResolution(72)
    desktop.paint_pages([coloured("red"), coloured("blue", 20, 40)], writer)
    del writer
    assert target.read_bytes().count(b"/Type /Page\n") == 2


def test_a_picture_lies_in_the_middle_of_its_page_as_large_as_it_goes(qapp) -> None:
    assert desktop.place_on(QRect(0, 0, 100, 200), QSize(40, 20)) == QRect(0, 75, 100, 50)
    assert desktop.place_on(QRect(0, 0, 100, 200), QSize(10, 400)) == QRect(47, 0, 5, 200)


def test_without_a_session_bus_the_folder_is_opened(qapp, monkeypatch, tmp_path: Path) -> None:
    opened: list[str] = []
    monkeypatch.setattr(desktop, "open_folder", opened.append)
    monkeypatch.setattr("PySide6.QtDBus.QDBusConnection.sessionBus", lambda: QDBusConnection("nowhere"))
    monkeypatch.setattr(desktop.sys, "platform", "linux")
    desktop.reveal(str(tmp_path / "one.png"))
    assert opened == [str(tmp_path)]


def test_settings_say_how_exports_are_named_and_what_they_tell(window, core) -> None:
    window.show_page("settings")
    page = window.settings_page
    find(page, "settings.private_exports").click()
    assert core.settings.value.private_exports is False
    edit = find(page, "settings.export_name", QLineEdit)
    edit.setText("{nonsense}")
    edit.editingFinished.emit()
    assert "{nonsense}" in find(page, "settings.problem.export_name", QLabel).text()
    assert core.settings.value.export_name != "{nonsense}"
    edit.setText("{prompt}-{seed}")
    edit.editingFinished.emit()
    assert core.settings.value.export_name == "{prompt}-{seed}"
    assert window.workspace.settings.name_example() == "For example: red apple-7.png"
