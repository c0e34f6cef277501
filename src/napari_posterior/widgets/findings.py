"""The findings of a report in words, grouped; what goes with the chosen group stands below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QPushButton, QRadioButton, QWidget

from napari_posterior.widgets.parts import Words, column

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.report import Report

__all__ = ["FindingList", "group_findings"]

_FIRST_CHOICE = "puncta_count"
_INDENT = 22


def group_findings(report: Report) -> dict[str, tuple[Finding, ...]]:
    """Return the findings that have a verdict, or are about the truth, by their quantity.

    ``puncta_count.spread`` stands with its mean. What is an estimate only is in the report.
    """
    groups: dict[str, tuple[Finding, ...]] = {}
    for finding in report.findings:
        if finding.judgement is None and finding.question != "calibration":
            continue
        key = finding.id.partition(".")[0]
        groups[key] = (*groups.get(key, ()), finding)
    return groups


class FindingList(QWidget):
    """Every finding with its verdict and its interval, in sentences.

    Parameters
    ----------
    detail : QWidget
        Stands below the sentences of the group that is chosen; alone where there is no report.
    """

    chosen = Signal(str)
    """The group that was chosen: ``"mean"``, ``"puncta_count"``, ..."""

    def __init__(self, detail: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("findings")
        self._detail = detail
        self._report: Report | None = None
        self._current = _FIRST_CHOICE
        self._groups: dict[str, tuple[Finding, ...]] = {}
        self._rows: list[QWidget] = []
        self._radios: dict[str, QRadioButton] = {}
        self._last_of: dict[str, QWidget] = {}
        self._exclusive = QButtonGroup(self)
        self._lines = column(self, spacing=3)
        self._lines.addWidget(detail)

    @property
    def current(self) -> str:
        """The group that is chosen; empty without a report."""
        return self._current if self._current in self._groups else next(iter(self._groups), "")

    @property
    def groups(self) -> Mapping[str, tuple[Finding, ...]]:
        """The findings that are shown."""
        return self._groups

    def show_report(self, report: Report | None) -> None:
        """Show the findings of a report; what was chosen before stays chosen."""
        if report is self._report:
            return
        self._report = report
        self._groups = {} if report is None else group_findings(report)
        for row in self._rows:
            self._lines.removeWidget(row)
            row.hide()
            row.deleteLater()
        self._rows, self._radios, self._last_of = [], {}, {}
        if report is not None:
            self._build(report)
        self._place_detail()

    def _build(self, report: Report) -> None:
        from napari_posterior.checks.finding import confidence

        headline = Words(report.overall.headline, self)
        headline.setToolTip(report.overall.sentence)
        self._add(headline, "headline")
        self._add(Words(report.scope, self), "scope")
        self._add(
            Words(
                f"Intervals of {confidence(report.level)}. A difference is student − teacher "
                "(none: 0), a ratio is student / teacher (none: 1).",
                self,
            ),
            "estimates",
        )
        phrase = report.solver.phrase
        solver = Words(f"{phrase[:1].upper()}{phrase[1:]}.", self)
        solver.setToolTip(report.solver.sentence)
        self._add(solver, "solver")
        chosen = self.current
        for group, findings in self._groups.items():
            title = findings[0].title
            radio = QRadioButton(title[:1].upper() + title[1:], self)
            radio.setToolTip("Show its plot")
            radio.setAccessibleDescription(" ".join(one.sentence for one in findings))
            radio.setChecked(group == chosen)
            radio.toggled.connect(self._on_toggled)
            self._exclusive.addButton(radio)
            self._radios[group] = radio
            self._add(radio, f"finding_{group}")
            for finding in findings:
                words = Words(finding.sentence, self)
                words.setToolTip(f"{finding.estimand}; {finding.method}")
                words.setContentsMargins(_INDENT, 0, 0, 0)
                self._last_of[group] = self._add(words, f"sentence_{finding.id}")
                if finding.judgement is not None:
                    verdict_words = Words(finding.judgement.sentence, self)
                    verdict_words.setContentsMargins(_INDENT, 0, 0, 0)
                    name = f"verdict_{finding.id}"
                    self._last_of[group] = self._add(verdict_words, name)

    def _add(self, row: QWidget, name: str) -> QWidget:
        row.setObjectName(name)
        self._rows.append(row)
        self._lines.addWidget(row)
        return row

    def _place_detail(self) -> None:
        self._lines.removeWidget(self._detail)
        last = self._last_of.get(self.current)
        place = 0 if last is None else self._lines.indexOf(last) + 1
        self._lines.insertWidget(place, self._detail)
        self.order_tabs()

    def order_tabs(self) -> None:
        """Let the tab key follow what is seen: from the chosen group to what goes with it."""
        before: QWidget | None = self._radios.get(self.current)
        for button in self._detail.findChildren(QPushButton):
            if before is not None:
                QWidget.setTabOrder(before, button)
            before = button

    def _on_toggled(self, checked: bool) -> None:
        if not checked:
            return
        self._current = next(group for group, one in self._radios.items() if one.isChecked())
        self._place_detail()
        self.chosen.emit(self._current)
