"""The gallery without its looks: what is asked, in which order, what changes, and small versions of pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from app.records import Sort
from ui.demo import DemoCore
from ui.state import WindowState
from ui.viewmodels.gallery import FAVOURITES, TRASH, GalleryVM
from ui.viewmodels.gallery_rows import FIRST, GalleryRole, difference
from ui.viewmodels.thumbnails import SIDE, Thumbnails


@pytest.fixture
def gallery(core: DemoCore, qtbot):
    for number, prompt in enumerate(("a red apple", "a blue house", "a red boat")):
        core.keep(f"p{number}", prompt, number, 64, 48)
    made = GalleryVM(core, WindowState(core.paths.config / "window.json"))
    made.opened()
    yield made
    made.close()


def shown(gallery: GalleryVM) -> list[str]:
    return gallery.model.ids_of(range(gallery.model.rowCount()))


def test_words_places_and_orders(gallery: GalleryVM):
    assert shown(gallery) == ["p2", "p1", "p0"]
    gallery.search("red")
    assert shown(gallery) == ["p2", "p0"]
    gallery.set_sort(Sort.OLDEST)
    assert shown(gallery) == ["p0", "p2"]
    gallery.search("")
    gallery.set_place(FAVOURITES)
    assert shown(gallery) == []
    assert gallery.empty_words()[0] == "No favourites yet"


def test_a_filter_is_written_into_the_search_in_place_of_its_like(gallery: GalleryVM):
    gallery.search("red rating:2+")
    gallery.add_filter("rating:4+")
    assert gallery.query == "red rating:4+"


def test_favourites_ratings_and_the_trash_change_what_is_shown(gallery: GalleryVM, qtbot):
    told = []
    gallery.noticed.connect(told.append)
    gallery.favour(["p1"])
    gallery.rate(["p0"], 5)
    gallery.set_sort(Sort.RATING)
    assert shown(gallery) == ["p0", "p2", "p1"]
    gallery.throw(["p0"])
    qtbot.waitUntil(lambda: shown(gallery) == ["p2", "p1"])
    assert told[-1].text == "1 picture is in the trash."
    gallery.set_place(TRASH)
    assert shown(gallery) == ["p0"]
    told[-1].undo()
    qtbot.waitUntil(lambda: shown(gallery) == [])
    gallery.set_place(FAVOURITES)
    assert shown(gallery) == ["p1"]


def test_collections_are_places_and_can_be_undone(gallery: GalleryVM, qtbot):
    told = []
    gallery.noticed.connect(told.append)
    gallery.collect(["p0", "p2"], "Ideas")
    qtbot.waitUntil(lambda: [place.title for place in gallery.collections()] == ["Ideas"])
    place = gallery.collections()[0]
    assert place.count == 2
    gallery.set_place(place.key)
    assert shown(gallery) == ["p2", "p0"]
    gallery.uncollect(["p2"])
    qtbot.waitUntil(lambda: shown(gallery) == ["p0"])
    told[-1].undo()
    qtbot.waitUntil(lambda: shown(gallery) == ["p2", "p0"])
    gallery.remove_collection(place.key)
    qtbot.waitUntil(lambda: gallery.place == "all")
    assert len(shown(gallery)) == 3


def test_a_new_picture_comes_in_without_a_reset(gallery: GalleryVM, core: DemoCore, qtbot):
    resets, come = [], []
    gallery.model.modelReset.connect(lambda: resets.append(1))
    gallery.model.rowsInserted.connect(lambda _, first, last: come.append((first, last)))
    job = core.queue.submit("klein", {"prompt": "a green hill", "width": 256, "height": 256, "seed": 1}, 1)
    core.begin(job.id)
    core.finish(job.id)
    qtbot.waitUntil(lambda: gallery.model.rowCount() == 4)
    assert come
    assert not resets


def test_more_than_a_first_page_follows_at_the_end(core: DemoCore, qtbot):
    core.keep("first", "x", 1, 16, 16)
    base = core.library.results[0]
    import msgspec

    many = [msgspec.structs.replace(base, id=f"n{n}", created=base.created + n) for n in range(FIRST + 50)]
    for one in many:
        core.history.store.add_result(one)
    gallery = GalleryVM(core, WindowState(core.paths.config / "window.json"))
    gallery.opened()
    assert gallery.count() == FIRST + 51
    last = gallery.model.index(FIRST + 50)
    assert last.data(GalleryRole.ID) == "first"
    assert last.data(GalleryRole.ROW) is None
    qtbot.waitUntil(lambda: last.data(GalleryRole.ROW) is not None)
    gallery.close()


@pytest.mark.parametrize(
    ("before", "now", "wanted"),
    [
        ("abc", "abcde", ([], [(3, ["d", "e"])])),
        ("abc", "xabc", ([], [(0, ["x"])])),
        ("abcde", "ace", ([(1, 2), (3, 4)], [])),
        ("abc", "axc", ([(1, 2)], [(1, ["x"])])),
        ("abc", "acb", None),
    ],
)
def test_the_difference_of_two_lists_leads_from_one_to_the_other(before, now, wanted):
    assert difference(list(before), list(now)) == wanted


def test_a_dragged_row_carries_its_file(gallery: GalleryVM):
    data = gallery.model.mimeData([gallery.model.index(0), gallery.model.index(2)])
    assert [Path(url.toLocalFile()).name for url in data.urls()] == ["p2.png", "p0.png"]


class TestThumbnails:
    def test_they_are_kept_and_made_again_when_the_picture_or_the_kept_file_is_another(self, tmp_path, qtbot):
        picture, kept = tmp_path / "a.png", tmp_path / "kept"
        big = QImage(900, 600, QImage.Format.Format_RGB32)
        big.fill(0xFF0000)
        big.save(str(picture))
        image = self.read(kept, picture, qtbot)
        assert (image.width(), image.height()) == (SIDE, SIDE * 2 // 3)
        (file,) = [each for each in kept.rglob("*") if each.is_file()]
        file.write_bytes(b"not a picture")
        assert not self.read(kept, picture, qtbot).isNull()
        assert file.stat().st_size > 100
        big.fill(0x00FF00)
        big.scaled(300, 300).save(str(picture))
        again = self.read(kept, picture, qtbot)
        assert again.pixelColor(5, 5).green() > 200

    def test_what_is_gone_or_no_picture_is_a_null_image(self, tmp_path, qtbot):
        assert self.read(tmp_path / "kept", tmp_path / "gone.png", qtbot).isNull()
        (tmp_path / "x.png").write_bytes(b"words")
        assert self.read(tmp_path / "kept", tmp_path / "x.png", qtbot).isNull()

    @staticmethod
    def read(folder: Path, picture: Path, qtbot) -> QImage:
        thumbs = Thumbnails(folder)
        assert thumbs.get(str(picture)) is None
        with qtbot.waitSignal(thumbs.arrived):
            pass
        image = thumbs.get(str(picture))
        thumbs.close()
        assert image is not None
        return image
