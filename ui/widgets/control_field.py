"""ControlNets and IP-Adapters in a form: a card for each, with its picture, map, strength and share of the steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models import maps
from models.control import kinds_of
from ui.i18n import tr
from ui.widgets.cards_field import AddonCardsField
from ui.widgets.controls import Button, IconButton, label, row
from ui.widgets.fields import AddonRow, Schema
from ui.widgets.item_card import Card, ChoiceRow, NumberRow, PictureStrip, RangeRow


class AdapterCard(Card):
    """A picture, how strongly it acts, and when."""

    def __init__(self, name: str, draft: dict[str, Any], what: str, empty: str) -> None:
        super().__init__(name, draft, what)
        self.strip = PictureStrip(name, empty)
        self.strip.taken.connect(self.take)
        self.strength = NumberRow(tr("Strength"), f"{name}.strength", 0.0, 2.0, 0.05, 1.0)
        self.strength.moved.connect(lambda value: self.put(strength=value))
        self.range = RangeRow(tr("Steps"), f"{name}.range")
        self.range.slider.changed.connect(lambda low, high: self.put(start=low, end=high))
        for part in (self.strip, self.strength, self.range):
            self.rows.addWidget(part)

    def take(self, path: str) -> None:
        self.put(image=path)
        self.show_draft()

    def show_draft(self) -> None:
        draft = self.draft
        self.strip.attach(self.services)
        self.strip.show_path(str(draft.get("image", "")))
        self.strength.show_value(float(draft.get("strength", 1.0)))
        self.range.show_shares(float(draft.get("start", 0.0)), float(draft.get("end", 1.0)))
        super().show_draft()

    def refresh(self) -> None:
        self.strip.refresh()


class ControlCard(AdapterCard):
    """The same with a map: which one, its settings, a look at it, and a brush for it.

    A map that was made or painted on stands in ``image`` with no preprocessor; ``source`` and ``made`` remember what it
    was made of and how, so that it can be made anew.
    """

    def __init__(self, name: str, draft: dict[str, Any], what: str, kinds: tuple[str, ...]) -> None:
        super().__init__(name, draft, what, tr("Drop a picture"))
        self.kinds = kinds
        self._busy = False
        choices = [(one.name, tr(one.title)) for one in maps.PREPROCESSORS.values()]
        self.map = ChoiceRow(tr("Map"), f"{name}.preprocessor", [("", tr("The picture is the map")), *choices])
        self.map.chosen.connect(self._choose)
        self.mode = ChoiceRow(tr("Kind"), f"{name}.mode", [])
        self.mode.chosen.connect(lambda key: self.put(mode=key))
        self.options: dict[str, NumberRow] = {}
        self._shown_options = ""
        self.show_map = Button(tr("Show map"), "", "image")
        self.show_map.setObjectName(f"{name}.show_map")
        self.show_map.setAccessibleName(tr("Show the map on the canvas"))
        self.show_map.clicked.connect(self._show_map)
        self.edit_map = Button(tr("Edit"), "", "brush")
        self.edit_map.setObjectName(f"{name}.edit_map")
        self.edit_map.setAccessibleName(tr("Paint on the map"))
        self.edit_map.clicked.connect(self._edit_map)
        self.back = IconButton("undo-2", tr("Back to the picture the map was made of"), f"{name}.back")
        self.back.clicked.connect(self._back)
        self.problem = label("", "hint", "bad", wrap=True)
        self.problem.setObjectName(f"{name}.problem")
        self._buttons = row(self.show_map, self.edit_map, self.back, None, spacing=6)
        at = 1
        for part in (self.map, self.mode):
            self.rows.insertWidget(at, part)
            at += 1
        self._options_at = at
        self.rows.insertLayout(at, self._buttons)
        self.rows.insertWidget(at + 1, self.problem)

    # what is shown

    def title_words(self) -> str:
        return str(self.draft.get("title") or self.draft.get("name", ""))

    def show_draft(self) -> None:
        draft = self.draft
        made = str(draft.get("made", ""))
        preprocessor = str(draft.get("preprocessor", ""))
        self.map.show_key(made or preprocessor)
        self.mode.set_choices([("", tr("As the map says")), *((kind, kind) for kind in self.kinds)])
        self.mode.show_key(str(draft.get("mode", "")))
        self.mode.setVisible(bool(self.kinds))
        self._fit_options(made or preprocessor)
        super().show_draft()
        source = Path(str(draft.get("source", ""))).name
        if made:
            words = maps.PREPROCESSORS[made].title if made in maps.PREPROCESSORS else made
            pattern = "{map}, painted on: {name}" if draft.get("painted") else "{map}: {name}"
            self.strip.show_path(str(draft.get("image", "")), tr(pattern, map=tr(words), name=source))
        self._fit_buttons()

    def _fit_buttons(self) -> None:
        draft, on = self.draft, bool(self.draft.get("on", True))
        has = bool(draft.get("image"))
        can_make = bool(draft.get("preprocessor") or draft.get("made"))
        self.show_map.setText(" " + (tr("Making…") if self._busy else tr("Show map")))
        self.show_map.setEnabled(on and has and can_make and not self._busy)
        self.edit_map.setEnabled(on and has and not draft.get("preprocessor") and not self._busy)
        self.edit_map.setVisible(not draft.get("preprocessor"))
        self.back.setVisible(bool(draft.get("source")))
        self.problem.setVisible(bool(self.problem.text()))

    def _fit_options(self, name: str) -> None:
        if name != self._shown_options:
            for old in self.options.values():
                self.rows.removeWidget(old)
                old.hide()
                old.deleteLater()
            self.options = {}
            self._shown_options = name
            specs = maps.PREPROCESSORS[name].options if name in maps.PREPROCESSORS else ()
            for number, spec in enumerate(specs):
                about = spec.about
                made = NumberRow(
                    tr(about.title), f"{self.name}.option.{spec.name}", about.ge or 0, about.le or 1, about.step or 1,
                    spec.default,
                )  # fmt: skip
                made.setToolTip(tr(about.description))
                made.moved.connect(lambda value, spec=spec: self._set_option(spec.name, value, spec.default))
                self.options[spec.name] = made
                self.rows.insertWidget(self._options_at + number, made)
        values = self.draft.get("options") or {}
        for key, option in self.options.items():
            spec = next(spec for spec in maps.PREPROCESSORS[name].options if spec.name == key)
            option.show_value(float(values.get(key, spec.default)))

    # what is done

    def take(self, path: str) -> None:
        self._say("")
        for key in ("source", "made", "painted"):
            if key == "made" and self.draft.get("made"):
                self.draft["preprocessor"] = self.draft["made"]
            self.draft.pop(key, None)
        super().take(path)

    def _choose(self, key: str) -> None:
        self._say("")
        self._unmake()
        self.put(preprocessor=key, options={})
        self.show_draft()

    def _set_option(self, name: str, value: float, usual: float) -> None:
        options = {**(self.draft.get("options") or {}), name: value}
        if value == usual:
            del options[name]
        self._unmake()
        self.put(options=options)
        self.strip.show_path(str(self.draft.get("image", "")))
        self._fit_buttons()

    def _unmake(self) -> None:
        """Away with a map that no longer is what the settings say."""
        if self.draft.get("source"):
            self.draft["image"] = self.draft.pop("source")
            self.draft["preprocessor"] = self.draft.pop("made", "")
            self.draft.pop("painted", None)

    def _back(self) -> None:
        self._unmake()
        self.put()
        self.show_draft()

    def _show_map(self) -> None:
        """Make the map in the worker; it stands on the canvas then, and in the card instead of the preprocessor. One
        that was painted on is not made anew, which would lose the strokes: it is shown with the brush."""
        if self.draft.get("painted"):
            self._edit_map()
            return
        self._unmake()
        draft = self.draft
        source, name = str(draft.get("image", "")), str(draft.get("preprocessor", ""))
        options = dict(draft.get("options") or {})
        self._busy = True
        self._say("")

        def done(path: str, problem: str) -> None:
            # By then the card may be another's, or gone.
            self._busy = False
            same = draft.get("image") == source and draft.get("preprocessor") == name
            if path and same and draft.get("options", {}) == options:
                draft.update(image=path, source=source, made=name, preprocessor="")
                if self.kinds and not draft.get("mode"):  # a map that is made says nothing any more
                    draft["mode"] = name
                self.changed.emit()
            self._say(problem)
            self.show_draft()

        self._fit_buttons()
        self.services.make_map(source, name, options, _alive(self, done))

    def _edit_map(self) -> None:
        draft, path = self.draft, str(self.draft.get("image", ""))

        def done(new: str) -> None:
            if new and draft.get("image") == path:
                draft.update(image=new, painted=bool(draft.get("made")))
                self.changed.emit()
                self.show_draft()

        self.services.edit_map(path, _alive(self, done))

    def _say(self, problem: str) -> None:
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))


class AdaptersField(AddonCardsField):
    keys = ("name", "image", "strength", "start", "end")

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default, tr("an IP-Adapter"), tr("IP-Adapters"))

    def make_named(self, row: AddonRow) -> dict[str, Any]:
        return {"name": self.name_of(row), "image": "", "strength": 0.6, "start": 0.0, "end": 1.0}

    def make_card(self, number: int, draft: dict[str, Any]) -> Card:
        what = tr("{title} {n}", title=self.title, n=number + 1)
        card = AdapterCard(f"create.{self.name}.{number}", draft, what, tr("Drop a picture"))
        card.pick_wanted.connect(lambda: self.pick_for(card))
        return card

    def short(self, draft: dict[str, Any]) -> str:
        return str(draft.get("name", ""))


class ControlsField(AddonCardsField):
    keys = ("name", "image", "preprocessor", "strength", "start", "end", "mode", "options")

    def __init__(self, name: str, schema: Schema, default: Any) -> None:
        super().__init__(name, schema, default, tr("a ControlNet"), tr("ControlNets"))

    def make_named(self, row: AddonRow) -> dict[str, Any]:
        return {
            "name": self.name_of(row), "image": "", "preprocessor": _suggested(row), "strength": 1.0, "start": 0.0,
            "end": 1.0, "mode": "", "options": {},
        }  # fmt: skip

    def rename(self, draft: dict[str, Any], row: AddonRow) -> None:
        super().rename(draft, row)
        wanted = _suggested(row)
        if wanted and not draft.get("made"):
            draft.update(preprocessor=wanted, options={})
        draft["mode"] = ""

    def make_card(self, number: int, draft: dict[str, Any]) -> Card:
        what = tr("{title} {n}", title=self.title, n=number + 1)
        row = self.row_of(str(draft.get("name", "")))
        card = ControlCard(f"create.{self.name}.{number}", draft, what, _kinds(row) if row else ())
        card.pick_wanted.connect(lambda: self.pick_for(card))
        return card

    def short(self, draft: dict[str, Any]) -> str:
        return str(draft.get("name", ""))


def _suggested(row: AddonRow) -> str:
    """The preprocessor that a network's names tell; edges where nothing does."""
    union = row.variant.startswith("union")
    return (
        maps.suggested(row.entry) or maps.suggested(row.name) or maps.suggested(row.path) or ("canny" if union else "")
    )


def _kinds(row: AddonRow) -> tuple[str, ...]:
    """The kinds of map that a network for several tells apart."""
    net = {"sdxl": "ControlNetUnionModel", "flux1": "FluxControlNetModel"}.get(row.family, "")
    return tuple(names[0] for names in kinds_of(net)) if row.variant.startswith("union") else ()


def _alive(card: ControlCard, done: Any) -> Any:
    """``done``, unless the card is gone by then."""
    gone: list[bool] = []
    card.destroyed.connect(lambda: gone.append(True))
    return lambda *values: None if gone else done(*values)
