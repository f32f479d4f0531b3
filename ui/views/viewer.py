"""A picture on the whole screen, with everything by keyboard; what floats over it goes away while nothing moves."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QStackedLayout, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.theme.icons import icon
from ui.theme.tokens import CANVAS_COLORS
from ui.viewmodels import desktop
from ui.viewmodels.facts import FactsVM
from ui.viewmodels.recent import Thumbs
from ui.viewmodels.viewing import Line, ViewerVM
from ui.views.recipe_panel import RecipePanel
from ui.widgets.controls import ElidedLabel, IconButton, IconLabel, column, divider, label, mark, row, tabular
from ui.widgets.fact_rows import Stars
from ui.widgets.floating import Toast
from ui.widgets.image_view import ZOOM_STEP, ImageView

REST_MS = 2500
PANEL_WIDTH = 320
_PLAIN = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier, Qt.KeyboardModifier.ShiftModifier)


class Viewer(QWidget):
    """A window of its own. ``left`` tells that it was closed, with the picture that was looked at last."""

    left = Signal(str)

    def __init__(self, vm: ViewerVM, facts: FactsVM, thumbs: Thumbs, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.vm, self._facts = vm, facts
        self.motion = True
        self._key = ""
        self.setObjectName("viewer")
        self.setWindowTitle(tr("Picture"))
        self.setAccessibleName(tr("Picture"))
        mark(self, surface="canvas")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.view = ImageView()
        self.view.setObjectName("viewer.picture")
        self.panel = RecipePanel(facts, thumbs)
        self.panel.setFixedWidth(PANEL_WIDTH)
        self.panel.preview.hide()  # the picture itself stands beside it
        self.toast = Toast(self)
        self.toast.setObjectName("viewer.notice")
        self._rest = QTimer(self, singleShot=True, interval=REST_MS)
        self._rest.timeout.connect(self._put_away)
        self._make_bar()
        self._lay_out()
        self._connect()

    # layout

    def _make_bar(self) -> None:
        self.bar = QFrame(self)
        self.bar.setObjectName("viewer.bar")
        mark(self.bar, surface="float")
        self._title = ElidedLabel("", "strong")
        self._title.setObjectName("viewer.title")
        self._about = ElidedLabel("", "secondary", "soft")
        self._about.setFont(tabular(self._about.font()))
        self._heart = IconButton("heart", tr("Favourite"), "viewer.favourite")
        self.stars = Stars("viewer.rating")
        self._trash = IconButton("trash-2", tr("Delete"), "viewer.delete")
        self._trash.set_face("trash-2", tr("Delete"), "Del")
        self._info = IconButton("info", tr("How it was made"), "viewer.info")
        self._info.set_face("info", tr("How it was made"), "I")
        self._info.setCheckable(True)
        self._leave = IconButton("x", tr("Close"), "viewer.close")
        self._leave.set_face("x", tr("Close"), "Esc")
        line = row(spacing=4)
        line.setContentsMargins(16, 6, 8, 6)
        line.addLayout(column(self._title, self._about, spacing=0), 1)
        for part in (self._heart, self.stars, self._trash, self._info, self._leave):
            line.addWidget(part)
        self.bar.setLayout(line)
        self._back = self._arrow("arrow-left", tr("Previous picture"), "viewer.previous", tr("Left"))
        self._on = self._arrow("arrow-right", tr("Next picture"), "viewer.next", tr("Right"))

    def _arrow(self, icon_name: str, words: str, name: str, key: str) -> QFrame:
        button = IconButton(icon_name, words, name)
        button.set_face(icon_name, words, key)
        button.clicked.connect(lambda: self.vm.step(-1 if name.endswith("previous") else 1))
        frame = QFrame(self)
        mark(frame, surface="float")
        inside = row(button)
        inside.setContentsMargins(3, 6, 3, 6)
        frame.setLayout(inside)
        return frame

    def _lay_out(self) -> None:
        self._gone = QWidget()
        centre = Qt.AlignmentFlag.AlignHCenter
        words = QVBoxLayout(self._gone)
        words.addStretch(1)
        words.addWidget(IconLabel("image-off", "soft", 28), 0, centre)
        self._gone_words = label("", tone="soft", wrap=True)
        self._gone_words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words.addWidget(self._gone_words)
        words.addStretch(1)
        self._stack = QStackedLayout()
        self._stack.addWidget(self.view)
        self._stack.addWidget(self._gone)
        self._side = QWidget()
        side = QHBoxLayout(self._side)
        side.setContentsMargins(0, 0, 0, 0)
        side.setSpacing(0)
        side.addWidget(divider("v"))
        side.addWidget(self.panel)
        self._side.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._stack, 1)
        layout.addWidget(self._side)

    def _connect(self) -> None:
        vm = self.vm
        vm.changed.connect(self._changed)
        vm.moved.connect(self._facts.show)
        vm.ended.connect(self.close)
        vm.noticed.connect(self._say)
        self._facts.page_wanted.connect(lambda _: self.close())
        self.panel.noticed.connect(lambda text: self._say(text, None))
        self.panel.shown_wanted.connect(self._show_relative)
        self._heart.clicked.connect(vm.favour)
        self.stars.rated.connect(vm.rate)
        self._trash.clicked.connect(vm.throw)
        self._info.toggled.connect(self._show_panel)
        self._leave.clicked.connect(self.close)
        self.view.stepped.connect(vm.step)
        self.view.menu_wanted.connect(self._menu)
        self.view.drag_wanted.connect(lambda: self.view.drag_file(vm.path) if not vm.missing else None)
        for watched in (self.view, self.view.viewport(), self._gone, self.bar):
            watched.installEventFilter(self)
        self._gone.setMouseTracking(True)
        self.bar.setMouseTracking(True)

    # opening and closing

    def open(self, key: str, line: Line, whole_screen: bool = True) -> None:
        self.vm.open(key, line)
        if not self.vm.key:
            return
        if whole_screen:
            self.showFullScreen()
        else:
            self.show()
        self.activateWindow()
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)
        self._facts.show(self.vm.key)
        self._show_bar()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        last = self.vm.key
        self._rest.stop()
        self.vm.leave()
        self._key = ""
        self.view.clear()
        self.toast.hide()
        super().closeEvent(event)
        if last:
            self.left.emit(last)

    def set_background(self, choice: str) -> None:
        """As the setting ``canvas`` has it."""
        self.view.set_background(CANVAS_COLORS.get(choice, ""))

    # from the view-model

    def _changed(self) -> None:
        vm = self.vm
        found = vm.row
        other, self._key = vm.key != self._key, vm.key
        self._title.set_full(vm.title())
        self._about.set_full(vm.subtitle())
        if found is None:
            return
        self.setWindowTitle(vm.title()[:100])
        self.view.setAccessibleDescription(tr("Picture: {title}", title=vm.title()[:200]))
        face, role = ("heart-filled", "accent") if found.favourite else ("heart", "soft")
        words = tr("No favourite any more") if found.favourite else tr("Make it a favourite")
        self._heart.set_face(face, words, "F", role)
        self.stars.set_rating(found.rating)
        self._back.setEnabled(vm.place > 0)
        self._on.setEnabled(vm.place < vm.count() - 1)
        image, levels = vm.picture()
        if vm.missing:
            self._gone_words.setText(tr("The file of this picture is gone:\n{path}", path=found.path))
            self._stack.setCurrentWidget(self._gone)
            return
        self._stack.setCurrentWidget(self.view)
        shown = image if image is not None else vm.small()
        if other and not self.view.is_fit:
            self.view.fit()
        self.view.show_picture(shown, found.width, found.height, image is None, levels)

    def _say(self, text: str, undo: object) -> None:
        acted = undo if callable(undo) else None
        self.toast.say(text, self.motion, self.width() - 48, tr("Undo") if acted else "", acted)
        self._place()

    def _show_relative(self, key: str) -> None:
        """A picture of the tree: where it stands among these, else alone in the panel."""
        if not self.vm.go(key):
            self._facts.show(key)

    def _show_panel(self, on: bool) -> None:
        self._side.setVisible(on)
        if self._info.isChecked() != on:
            self._info.setChecked(on)
        self._place()

    # keys

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if event.type() == QEvent.Type.MouseMove:
            self._show_bar()
        if watched is self.view and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._pressed(event)
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        if not self._pressed(event):
            super().keyPressEvent(event)

    def _pressed(self, event: QKeyEvent) -> bool:
        """Do what the key says; False when it says nothing here."""
        vm, key, ways = self.vm, Qt.Key(event.key()), event.modifiers()
        if ways & Qt.KeyboardModifier.ControlModifier:
            return self._pressed_with_ctrl(key)
        if ways not in _PLAIN and ways != Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier:
            return False
        back = (Qt.Key.Key_Left, Qt.Key.Key_Up, Qt.Key.Key_PageUp)
        on = (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_PageDown)
        if key in (*back, *on):
            vm.step(-1 if key in back else 1)
        elif key == Qt.Key.Key_Home:
            vm.first()
        elif key == Qt.Key.Key_End:
            vm.last()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.view.zoom_by(1 / ZOOM_STEP if key == Qt.Key.Key_Minus else ZOOM_STEP)
        elif event.text() in tuple("012345"):
            vm.rate(int(event.text()))
        elif key in (Qt.Key.Key_Escape, Qt.Key.Key_F11):
            self._back_out()
        elif key in (Qt.Key.Key_F, Qt.Key.Key_I, Qt.Key.Key_Z, Qt.Key.Key_Delete):
            self._command(key)
        else:
            return False
        return True

    def _pressed_with_ctrl(self, key: Qt.Key) -> bool:
        commands = {Qt.Key.Key_0: self.view.fit, Qt.Key.Key_1: self.view.actual_size, Qt.Key.Key_C: self.copy}
        if key in commands:
            commands[key]()
        return key in commands

    def _command(self, key: Qt.Key) -> None:
        if key == Qt.Key.Key_F:
            self.vm.favour()
        elif key == Qt.Key.Key_Delete:
            self.vm.throw()
        elif key == Qt.Key.Key_I:
            self._show_panel(not self._side.isVisible())
        elif self.view.is_fit:
            self.view.actual_size()
        else:
            self.view.fit()

    def _back_out(self) -> None:
        """Out of a field of the panel first, then out of the picture."""
        inside = self.focusWidget()
        if inside is not None and self._side.isAncestorOf(inside):
            self.view.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            self.close()

    def copy(self) -> None:
        image, _ = self.vm.picture()
        if image is not None and not image.isNull():
            desktop.copy_pictures([self.vm.path], image)
            self._say(tr("Picture copied."), None)

    def _menu(self, at: QPoint) -> None:
        facts, menu = self._facts, QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        facts.show(self.vm.key)
        for icon_name, words, command in (
            ("history", tr("Use these settings"), facts.use_settings),
            ("dices", tr("Use its seed"), facts.use_seed),
            ("image-plus", tr("Start from it"), facts.use_as_input),
            ("copy", tr("Copy"), self.copy),
            ("folder-open", tr("Show in folder"), facts.open_location),
            ("trash-2", tr("Delete"), self.vm.throw),
        ):
            menu.addAction(icon(icon_name), words).triggered.connect(lambda _=False, command=command: command())
        menu.popup(at)

    # what floats

    def _floating(self) -> tuple[QWidget, ...]:
        return (self.bar, self._back, self._on)

    def _show_bar(self) -> None:
        for part in self._floating():
            part.show()
            part.raise_()
        self.view.viewport().unsetCursor()
        self._rest.start()
        self._place()

    def _put_away(self) -> None:
        """Nothing moved for a while: only the picture stays."""
        inside = self.focusWidget()
        used = any(part.underMouse() or (inside is not None and part.isAncestorOf(inside)) for part in self._floating())
        if used or self._side.isVisible():
            return
        for part in self._floating():
            part.hide()
        self.view.viewport().setCursor(Qt.CursorShape.BlankCursor)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        room = self.width() - (PANEL_WIDTH + 1 if self._side.isVisible() else 0)
        width = min(room - 48, 860)
        self.bar.setFixedWidth(max(200, width))
        self.bar.adjustSize()
        self.bar.move((room - self.bar.width()) // 2, 16)
        for part in (self._back, self._on):
            part.adjustSize()
        middle = (self.height() - self._back.height()) // 2
        self._back.move(16, middle)
        self._on.move(room - self._on.width() - 16, middle)
        self.toast.adjustSize()
        self.toast.move((room - self.toast.width()) // 2, self.height() - self.toast.height() - 28)
