"""The card of a model as plain text, and the small window that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QDialog, QDialogButtonBox, QPlainTextEdit, QVBoxLayout, QWidget

from napari_posterior.bundles.readme import RANGE_WORDS, scene_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_posterior.session.choices import ModelChoice, SamplerChoice

__all__ = ["CardWindow", "card_text"]


def card_text(model: ModelChoice) -> str:
    """Return what a model says of itself, as plain text.

    Parameters
    ----------
    model : ModelChoice
        One that cannot be used says why.
    """
    card = model.card
    if card is None:
        return f"{model.name} cannot be used.\n\n{model.problem}"
    trained = card.training_range.model_dump()
    lines = [f"{card.name} {card.version}", "", card.description, "", "Intended use", ""]
    lines += [card.intended_use, "", "Known limits", ""]
    lines += [f"- {limit}" for limit in card.known_limits]
    lines += ["", "Samplers", ""]
    lines += [f"- {_told(sampler)}" for sampler in model.samplers]
    lines += ["", "Trained on", ""]
    lines += [
        f"- {words}: {trained[key][0]:g} to {trained[key][1]:g}"
        for key, words in RANGE_WORDS.items()
    ]
    lines += [f"- {scene_words(card)}"]
    if card.evaluation:
        lines += ["", "Measured", "", *_outline(card.evaluation)]
    return "\n".join([*lines, "", f"Licence: {card.license}", ""])


class CardWindow(QDialog):
    """Shows the card of a model; its text is never taken for HTML.

    Parameters
    ----------
    model : ModelChoice
        Whose card.
    """

    def __init__(self, model: ModelChoice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card_window")
        self.setWindowTitle(f"Card of {model.name}")
        text = QPlainTextEdit(card_text(model))
        text.setObjectName("card_text")
        text.setAccessibleName("Card of the model")
        text.setReadOnly(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(buttons)
        letter = self.fontMetrics().averageCharWidth()
        self.resize(80 * letter, 36 * self.fontMetrics().lineSpacing())


def _told(sampler: SamplerChoice) -> str:
    info = sampler.info()
    calls = f"{info.nfe} network call{'' if info.nfe == 1 else 's'} a sample"
    return f"{sampler.name}: {info.description}, {calls}"


def _outline(value: Any, depth: int = 0) -> Iterator[str]:
    """Write nested figures as an indented list."""
    margin = "  " * depth
    pairs = value.items() if isinstance(value, dict) else (("", one) for one in value)
    for key, one in pairs:
        words = str(key).replace("_", " ")
        if isinstance(one, dict) or (isinstance(one, list) and not _is_numbers(one)):
            yield f"{margin}{words}"
            yield from _outline(one, depth + 1)
        else:
            told = " to ".join(map(str, one)) if isinstance(one, list) else str(one)
            yield f"{margin}{words}: {told}" if words else f"{margin}- {told}"


def _is_numbers(values: list[Any]) -> bool:
    return len(values) == 2 and all(isinstance(one, int | float) for one in values)
