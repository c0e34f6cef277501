"""The measured figures of a card as Markdown tables: rows of like numbers under one head."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

__all__ = ["figure_tables"]

_Row = dict[str, str]


def figure_tables(evaluation: Mapping[str, JsonValue]) -> list[str]:
    """Return lines of Markdown, a heading for each entry.

    Parameters
    ----------
    evaluation : mapping
        Measured figures, of JSON types, as a card holds them. Texts become bullets; dicts of
        numbers become rows, and rows that have the same columns become one table. Two numbers are
        read as an interval, three as an estimate with its interval.
    """
    lines: list[str] = []
    for name, value in evaluation.items():
        lines += [f"### {_words(name)}", ""]
        if isinstance(value, dict):
            lines += _tables(value)
        else:
            lines += [f"- {entry}" for entry in (value if isinstance(value, list) else [value])]
            lines.append("")
    return lines


def _tables(value: Mapping[str, JsonValue]) -> list[str]:
    tables: dict[tuple[str, ...], list[tuple[str, _Row]]] = {}
    for path, row in _rows(value, ()):
        tables.setdefault(tuple(row), []).append((", ".join(path), row))
    lines = []
    for columns, rows in tables.items():
        named = any(name for name, _ in rows)
        first = 0 if named else 1
        lines += [_line(["", *columns][first:]), "|" + "---|" * (len(columns) + named)]
        lines += [_line([name, *row.values()][first:]) for name, row in rows]
        lines.append("")
    return lines


def _rows(
    value: Mapping[str, JsonValue], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], _Row]]:
    """Yield the numbers of every dict in it, those of dicts of nothing but numbers as columns."""
    row: _Row = {}
    below: list[tuple[str, Mapping[str, JsonValue]]] = []
    flat = not path or any(not isinstance(part, dict) for part in value.values())
    for key, part in value.items():
        if not isinstance(part, dict):
            row[_words(key)] = _number(part)
        elif path and flat and not any(isinstance(one, dict) for one in part.values()):
            row |= {f"{_words(key)} {_words(name)}": _number(one) for name, one in part.items()}
        else:
            below.append((key, part))
    if row:
        yield path, row
    for key, inner in below:
        yield from _rows(inner, (*path, _words(key)))


def _number(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, list):
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    told = [_number(one) for one in value]
    if len(told) == 2:
        return " to ".join(told)
    return f"{told[0]} ({told[1]} to {told[2]})" if len(told) == 3 else ", ".join(told)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
