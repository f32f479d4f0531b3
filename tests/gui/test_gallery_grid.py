"""The grid of the gallery as hands use it: choosing, keys, sizes, and a hundred thousand pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from PySide6.QtCore import QAbstractListModel, QModelIndex, QPoint, Qt
from PySide6.QtGui import QImage

from ui.widgets.gallery_grid import EDGE, LEAST_SIDE, GalleryGrid, Roles

USER = int(Qt.ItemDataRole.UserRole)
ROLES = Roles(USER + 1, USER + 2, USER + 3)
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NONE, LEFT = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton


@dataclass
class Facts:
    favourite: bool = False
    rating: int = 0
    missing: bool = False


class Pictures(QAbstractListModel):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.asked: set[int] = set()
        self.image = QImage(64, 48, QImage.Format.Format_RGB32)
        self.image.fill(Qt.GlobalColor.green)

    def rowCount(self, parent: Any = None) -> int:  # noqa: N802
        return self.count

    def data(self, index: Any, role: int = 0) -> Any:
        if role == ROLES.thumb:
            self.asked.add(index.row())
            return self.image
        return Facts(rating=3) if role == ROLES.row else None

    def flags(self, index: Any) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def put_first(self, count: int) -> None:
        self.beginInsertRows(QModelIndex(), 0, count - 1)
        self.count += count
        self.endInsertRows()


@pytest.fixture
def grid(qtbot) -> GalleryGrid:
    made = GalleryGrid(ROLES)
    qtbot.addWidget(made)
    made.pictures = Pictures(100_000)
    made.setModel(made.pictures)
    made.set_side(120)
    made.resize(700, 500)
    made.show()
    qtbot.waitExposed(made)
    return made


def click(qtbot, grid: GalleryGrid, row: int, keys: Qt.KeyboardModifier = NONE) -> None:
    qtbot.mouseClick(grid.viewport(), LEFT, keys, grid.visualRect(grid.model().index(row, 0)).center())


def test_only_what_is_seen_is_asked_for(qtbot, grid) -> None:
    grid.grab()
    assert grid.pictures.asked
    assert max(grid.pictures.asked) < 60
    grid.pictures.asked.clear()
    grid.scrollToBottom()
    grid.grab()
    assert 99_999 in grid.pictures.asked
    assert min(grid.pictures.asked) > 99_900


def test_every_place_leads_to_its_row(grid) -> None:
    for row in (0, 1, 7, 12):
        index = grid.model().index(row, 0)
        assert grid.indexAt(grid.visualRect(index).center()) == index
    assert not grid.indexAt(QPoint(EDGE - 2, EDGE + 20)).isValid()


def test_clicks_choose_one_several_and_from_to(qtbot, grid) -> None:
    click(qtbot, grid, 2)
    assert grid.chosen_rows() == [2]
    click(qtbot, grid, 8, SHIFT)
    assert grid.chosen_rows() == list(range(2, 9))
    click(qtbot, grid, 4, SHIFT)
    assert grid.chosen_rows() == [2, 3, 4]
    click(qtbot, grid, 9, CTRL)
    assert grid.chosen_rows() == [2, 3, 4, 9]
    click(qtbot, grid, 3, CTRL)
    assert grid.chosen_rows() == [2, 4, 9]


def test_the_rubber_band_chooses_what_it_touches(qtbot, grid) -> None:
    first, last = grid.visualRect(grid.model().index(0, 0)), grid.visualRect(grid.model().index(6, 0))
    qtbot.mousePress(grid.viewport(), LEFT, NONE, QPoint(4, 4))
    qtbot.mouseMove(grid.viewport(), first.center())
    qtbot.mouseMove(grid.viewport(), last.center())
    qtbot.mouseRelease(grid.viewport(), LEFT, NONE, last.center())
    assert grid.chosen_rows() == [0, 1, 5, 6]


def test_all_can_be_chosen(qtbot, grid) -> None:
    qtbot.keyClick(grid, Qt.Key.Key_A, CTRL)
    assert grid.chosen_count() == 100_000


def test_keys_move_and_choose(qtbot, grid) -> None:
    click(qtbot, grid, 0)
    qtbot.keyClick(grid, Qt.Key.Key_Right)
    qtbot.keyClick(grid, Qt.Key.Key_Down)
    assert grid.currentIndex().row() == 6
    qtbot.keyClick(grid, Qt.Key.Key_Down, SHIFT)
    assert grid.chosen_rows() == list(range(6, 12))
    qtbot.keyClick(grid, Qt.Key.Key_End)
    assert grid.currentIndex().row() == 99_999
    assert grid.viewport().rect().contains(grid.visualRect(grid.currentIndex()).center())
    qtbot.keyClick(grid, Qt.Key.Key_Home)
    assert grid.currentIndex().row() == 0


def test_keys_say_what_is_wanted(qtbot, grid) -> None:
    said: list[object] = []
    grid.opened.connect(lambda row: said.append(("open", row)))
    grid.rated.connect(said.append)
    grid.favoured.connect(lambda: said.append("favourite"))
    grid.trash_wanted.connect(lambda: said.append("trash"))
    qtbot.keyClick(grid, Qt.Key.Key_Delete)
    assert said == []  # nothing is chosen
    click(qtbot, grid, 3)
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Space, Qt.Key.Key_4, Qt.Key.Key_0, Qt.Key.Key_F, Qt.Key.Key_Delete):
        qtbot.keyClick(grid, key)
    assert said == [("open", 3), ("open", 3), 4, 0, "favourite", "trash"]


def test_the_heart_is_a_button_and_leaves_the_choice_alone(qtbot, grid) -> None:
    hearted: list[int] = []
    grid.hearted.connect(hearted.append)
    click(qtbot, grid, 1)
    qtbot.mouseClick(grid.viewport(), LEFT, NONE, grid._heart(3).center())
    assert hearted == [3]
    assert grid.chosen_rows() == [1]


def test_another_size_keeps_the_place(qtbot, grid) -> None:
    grid.setCurrentIndex(grid.model().index(50_000, 0))
    for side in (LEAST_SIDE, 320, 5):
        grid.set_side(side)
        assert grid.viewport().rect().intersects(grid.visualRect(grid.currentIndex()))
    assert grid.side == LEAST_SIDE


def test_what_comes_in_above_moves_nothing_that_is_looked_at(qtbot, grid) -> None:
    index = grid.model().index(5_000, 0)
    grid.setCurrentIndex(index)
    before = grid.visualRect(grid.currentIndex())
    grid.pictures.put_first(10)
    assert grid.currentIndex().row() == 5_010
    assert grid.visualRect(grid.currentIndex()).topLeft() == before.topLeft()
    assert grid.chosen_rows() == [5_010]
