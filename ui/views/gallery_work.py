"""Joins the Gallery page to its dialogs: exporting, importing, printing."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from ui.viewmodels.gathering import GatheringVM
from ui.viewmodels.outgoing import ExportVM
from ui.viewmodels.workspace import Workspace
from ui.views.gallery_page import GalleryPage

MOST_PRINTED = 100
"""Pages at once: every picture is held whole until it is on paper."""


def gallery_page(workspace: Workspace, window: QWidget) -> GalleryPage:
    """The page with all that it opens."""
    page = GalleryPage(workspace.gallery, workspace.facts, workspace.thumbs)
    export = ExportVM(workspace.core, workspace.state, page)
    gathering = GatheringVM(workspace.core, page)

    def export_them(ids: Sequence[str]) -> None:
        from ui.views.export_dialog import ExportDialog

        if ids:
            ExportDialog(export, ids, window).show()

    def import_them(folders: Sequence[str]) -> None:
        from ui.views.gather_dialog import GatherDialog

        GatherDialog(gathering, window).show()
        if folders:
            gathering.take(folders)

    def print_them(ids: Sequence[str]) -> None:
        from ui.views.printing import print_pictures

        images = [QImage(path) for path in workspace.gallery.model.paths(list(ids)[:MOST_PRINTED])]
        print_pictures([image for image in images if not image.isNull()], window)

    page.export_wanted.connect(export_them)
    page.import_wanted.connect(import_them)
    page.print_wanted.connect(print_them)
    return page
