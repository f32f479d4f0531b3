"""A popover with what the alternatives and wildcards of a prompt become, and dice for others."""

from __future__ import annotations

import secrets

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from ui.i18n import tr
from ui.viewmodels.prompts import PromptsVM
from ui.widgets.controls import IconButton, label, mark, row

COUNT = 6
WIDTH = 420


class PromptExamples(QFrame):
    """``chosen`` carries the words of an example that is to be the prompt."""

    chosen = Signal(str)

    def __init__(self, vm: PromptsVM, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._vm = vm
        self._text, self._seed, self._ticket = "", 0, 0
        self.setObjectName("create.examples")
        self.setAccessibleName(tr("What the alternatives become"))
        mark(self, surface="popup")
        self.setFixedWidth(WIDTH)
        self._problem = label("", "secondary", "bad", wrap=True)
        self._problem.setObjectName("create.examples.problem")
        self.list = QListWidget()
        self.list.setObjectName("create.examples.list")
        self.list.setAccessibleName(tr("Examples"))
        self.list.setWordWrap(True)
        mark(self.list, kind="examples")
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemActivated.connect(self._use)
        self.again = IconButton("dices", tr("Others"), "create.examples.again", 16)
        self.again.clicked.connect(self._roll)
        self._hint = label(tr("Enter makes one of them the prompt."), "hint", "faint")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(6)
        layout.addLayout(row(label(tr("For example"), "strong"), None, self.again))
        layout.addWidget(self._problem)
        layout.addWidget(self.list)
        layout.addWidget(self._hint)

    def open_for(self, text: str, seed: object, at: QPoint) -> None:
        """Examples of ``text``, the first with the seed of the form if it has one."""
        self._text = text
        self._seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else secrets.randbelow(2**31)
        self._ask()
        room = self.screen().availableGeometry()
        self.move(max(room.left(), min(at.x() - 40, room.right() - WIDTH)), at.y() + 4)
        self.show()
        self.list.setFocus(Qt.FocusReason.PopupFocusReason)

    def _roll(self) -> None:
        self._seed = secrets.randbelow(2**31)
        self._ask()

    def _ask(self) -> None:
        self._ticket += 1
        ticket = self._ticket
        self._vm.expansions(self._text, self._seed, COUNT, lambda found, problem: self._show(ticket, found, problem))

    def _show(self, ticket: int, found: list[str], problem: str) -> None:
        if ticket != self._ticket:
            return
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        self.list.clear()
        metrics, wide = self.list.fontMetrics(), WIDTH - 50
        high = 0
        for text in found:
            item = QListWidgetItem(text)
            box = metrics.boundingRect(0, 0, wide, 400, int(Qt.TextFlag.TextWordWrap), text)
            item.setSizeHint(QSize(wide, max(28, box.height() + 10)))
            high += item.sizeHint().height() + 2
            self.list.addItem(item)
        self.list.setVisible(bool(found))
        self._hint.setVisible(bool(found))
        self.list.setFixedHeight(max(28, min(320, high + 6)))
        if found:
            self.list.setCurrentRow(0)
        self.adjustSize()

    def _use(self, item: QListWidgetItem) -> None:
        self.hide()
        self.chosen.emit(item.text())
