"""The queue, the question about held jobs, and the recent pictures."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QListView

from app.states import JobState
from models.errors import ErrorCode
from tests.gui.helpers import find, submit


def titles(window) -> list[str]:
    return [row.title for row in window.workspace.queue.rows()]


@pytest.fixture
def busy(window, core) -> str:
    """One job runs, three wait."""
    running = submit(core, window, "running")
    core.begin(running)
    for name in ("one", "two", "three"):
        submit(core, window, name)
    return running


def test_models_keep_qt_s_rules(qtbot, window, core, busy) -> None:
    mode = QAbstractItemModelTester.FailureReportingMode.Warning
    testers = [QAbstractItemModelTester(model, mode) for model in (window.workspace.queue, window.workspace.recent)]
    core.step(busy, 3, 8)
    core.queue.move("job4", 0)
    core.finish(busy)
    core.queue.remove("job2")
    core.fail(core.queue.submit("klein", {"prompt": "x"}).id, ErrorCode.INTERNAL)
    qtbot.wait(20)
    assert len(testers) == 2


def test_rows_stand_in_the_order_of_the_work(window, busy) -> None:
    assert titles(window) == ["running", "one", "two", "three"]
    assert [row.words for row in window.workspace.queue.rows()][1:] == ["next", "waiting", "waiting"]


def test_alt_arrows_move_a_waiting_job(qtbot, window, core, busy) -> None:
    view = find(window, "queue.list", QListView)
    view.setFocus()
    view.setCurrentIndex(window.workspace.queue.index(3))
    qtbot.keyClick(view, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert titles(window) == ["running", "one", "three", "two"]
    assert view.currentIndex().row() == 2
    qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert titles(window) == ["running", "one", "two", "three"]


@pytest.mark.parametrize(
    ("dragged", "place", "order"),
    [(3, 1, ["three", "one", "two"]), (1, 4, ["two", "three", "one"]), (1, 3, ["two", "one", "three"])],
)
def test_dragging_a_job_moves_it(window, core, busy, dragged, place, order) -> None:
    from PySide6.QtCore import QModelIndex

    model = window.workspace.queue
    data = model.mimeData([model.index(dragged)])
    model.dropMimeData(data, Qt.DropAction.MoveAction, place, 0, QModelIndex())
    assert titles(window)[1:] == order


def test_a_drop_on_the_list_moves_the_job(window, core, busy) -> None:
    from PySide6.QtCore import QPointF
    from PySide6.QtGui import QDropEvent

    view = find(window, "queue.list", QListView)
    model = window.workspace.queue
    above_one = view.visualRect(model.index(1)).topLeft() + QPointF(20, 4).toPoint()
    data = model.mimeData([model.index(3)])
    event = QDropEvent(
        QPointF(above_one), Qt.DropAction.MoveAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    view.dropEvent(event)
    assert titles(window) == ["running", "three", "one", "two"]
    assert event.dropAction() is Qt.DropAction.IgnoreAction


def test_delete_takes_a_waiting_job_out_and_cancels_the_running_one(qtbot, window, core, busy) -> None:
    view = find(window, "queue.list", QListView)
    view.setCurrentIndex(window.workspace.queue.index(2))
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert titles(window) == ["running", "one", "three"]
    view.setCurrentIndex(window.workspace.queue.index(0))
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert core.cancelled == [busy]


def test_a_failed_job_can_be_tried_again(qtbot, window, core, busy) -> None:
    core.fail(busy, ErrorCode.ENGINE_CRASHED, reason="killed")
    view = find(window, "queue.list", QListView)
    view.setCurrentIndex(window.workspace.queue.find(busy))
    qtbot.keyClick(view, Qt.Key.Key_R)
    assert core.queue.get(busy).state is JobState.QUEUED


def test_buttons_of_a_row_answer_the_mouse(qtbot, window, core, busy) -> None:
    view = find(window, "queue.list", QListView)
    rect = view.visualRect(window.workspace.queue.index(1))
    from PySide6.QtCore import QPoint

    at = QPoint(rect.right() - 16, rect.center().y())
    assert view.button_at(at)[0] == "take_out"
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert titles(window) == ["running", "two", "three"]


def test_held_jobs_are_asked_about_once(qtbot, opened, core) -> None:
    for name in ("a", "b", "c"):
        core.queue.add("klein", {"prompt": name, "seed": 1, "width": 64, "height": 64}, held=True)
    window = opened(core)
    core.ready()
    card = find(window, "queue.held")
    assert card.isVisible()
    assert "3 jobs were waiting" in window.workspace.held.question()
    assert window.workspace.queue.rowCount() == 0
    qtbot.mouseClick(find(window, "queue.held.resume"), Qt.MouseButton.LeftButton)
    assert not card.isVisible()
    assert titles(window) == ["a", "b", "c"]


def test_held_jobs_can_be_discarded(qtbot, opened, core) -> None:
    core.queue.add("klein", {"prompt": "a", "seed": 1, "width": 64, "height": 64}, held=True)
    window = opened(core)
    qtbot.mouseClick(find(window, "queue.held.discard"), Qt.MouseButton.LeftButton)
    assert core.queue.jobs() == []
    assert not find(window, "queue.held").isVisible()


def test_two_hundred_jobs(window, core) -> None:
    for number in range(200):
        core.queue.submit("klein", {"prompt": f"job {number}"})
    assert window.workspace.queue.rowCount() == 200
    core.queue.cancel_all()
    core.queue.clear_ended()
    assert window.workspace.queue.rowCount() == 0


def test_recent_pictures_open_on_the_canvas(qtbot, window, core) -> None:
    for number in range(3):
        core.keep(f"r{number}", f"picture {number}", number, 96, 64)
    window.workspace.recent.refresh()
    grid = find(window, "recent.list", QListView)
    qtbot.waitUntil(lambda: grid.isVisible() and grid.visualRect(window.workspace.recent.index(1)).isValid())
    center = grid.visualRect(window.workspace.recent.index(1)).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=center)
    assert window.workspace.canvas.shown.result == "r1"
    qtbot.waitUntil(window.create_page.canvas.view.has_picture)
    view = window.create_page.canvas.view
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert window.workspace.canvas.shown.result == "r0"


def test_thumbnails_are_read_when_shown(qtbot, window, core) -> None:
    core.keep("r", "picture", 1, 96, 64)
    window.workspace.recent.refresh()
    path = core.library.results[0].path
    qtbot.waitUntil(lambda: window.workspace.thumbs.get(path) is not None)
    assert window.workspace.thumbs.get(path).width() == 96


def test_recent_pictures_drag_out_as_files(window, core) -> None:
    result = core.keep("r", "picture", 1, 96, 64)
    window.workspace.recent.refresh()
    data = window.workspace.recent.mimeData([window.workspace.recent.index(0)])
    assert data.urls()[0].toLocalFile() == result.path
