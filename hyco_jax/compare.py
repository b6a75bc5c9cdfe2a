"""One table and one figure over any number of finished runs.

    python -m hyco_jax.compare runs/* [--figure=FILE.png]

Runs that differ in nothing but their seeds are one group: its entries are medians, of
the ± of a coefficient too, with the range over seeds. What is no finished run is
skipped, with a line that says so.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hyco_jax.scoring import comparison, table
from hyco_jax.scoring.comparison import Group

# With more keys that differ, columns for them would push the scores off the page.
_MOST_COLUMNS = 4
_LONGEST = 40


def compare(groups: Sequence[Group]) -> str:
    """Formats groups of runs as one Markdown table with a caption.

    Args:
        groups: At least one.

    Returns:
        A row for each method of each group, and what differs: in columns, or, of many
        keys, in lines below. No newline at the end.
    """
    keys = comparison.differences(groups)
    shown = keys if len(keys) <= _MOST_COLUMNS else []
    has_names = not shown
    medians = [group.medians() for group in groups]
    merged: dict[str, dict[str, float | None]] = {}
    for rows in medians:
        for row, values in rows.items():
            known = {name: x for name, x in values.items() if x is not None}
            merged[row] = merged.get(row, {}) | known
    columns = table.shown_columns(merged)
    header = [*(["run"] if has_names else []), *shown, "seeds", "method"]
    texts = len(header)
    body = []
    for group, rows in zip(groups, medians, strict=True):
        first = [group.name] if has_names else []
        first += [_value(group.config.get(key, comparison.ABSENT)) for key in shown]
        first += [", ".join(map(str, group.seeds))]
        body += [
            [*first, table.ROWS[row], *(_entry(group, row, c) for c in columns)]
            for row in rows
        ]
    header += map(table.heading, columns)
    text = [table.markdown([*map(_escape, header)], body, texts)]
    text.append(table.caption(columns, merged, {}))
    if any(len(group.runs) > 1 for group in groups):
        text.append("Of several seeds: the median (least to largest).")
    if len(keys) != len(shown):
        own = zip(groups, comparison.own_differences(groups), strict=True)
        text.append("")
        text += [f"- {g.name}: {', '.join(describe(g, keys))}" for g, keys in own]
    return "\n\n".join(text[:2]) + "".join(f"\n{line}" for line in text[2:])


def describe(group: Group, keys: Sequence[str]) -> list[str]:
    """Says the values of those of the keys that a group has."""
    values = {key: group.config[key] for key in keys if key in group.config}
    return [f"{key}={_value(value)}" for key, value in values.items()]


def main(argv: Sequence[str] | None = None):
    """Prints the table, and draws the figure where one is asked for.

    Args:
        argv: The arguments; by default the process's.
    """
    parser = argparse.ArgumentParser(
        prog="python -m hyco_jax.compare", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("workdirs", nargs="+", type=Path, metavar="WORKDIR")
    parser.add_argument("--figure", type=Path, metavar="FILE.png")
    options = parser.parse_args(argv)
    runs = []
    for workdir in options.workdirs:
        try:
            runs.append(comparison.read(workdir))
        except (ValueError, OSError) as error:
            print(f"skipped: {error}", file=sys.stderr)
    try:
        if not runs:
            raise ValueError("none of the folders holds a finished run")
        groups = comparison.group(runs)
        print(compare(groups))
        if options.figure:
            _draw(groups, options.figure)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def _draw(groups: Sequence[Group], path: Path):
    # Matplotlib takes half a second to import.
    import matplotlib.style

    from hyco_jax.scoring import plots
    from hyco_jax.scoring.plots import comparison as plot
    from hyco_jax.scoring.plots import style

    keys = comparison.differences(groups)
    if len(keys) > _MOST_COLUMNS or not keys:
        labels = [group.name for group in groups]
    else:
        labels = ["\n".join(describe(group, keys)) for group in groups]
    with matplotlib.style.context(["default", style.RC]):
        figure = plot.draw(groups, labels)
        if figure is None:
            raise ValueError("no figure is drawn: the runs have no score to show")
        figure.savefig(path, dpi=plots.DPI)


def _entry(group: Group, row: str, column: str) -> str:
    values = group.entries(row, column)
    if not values:
        return table.format_number(None)
    texts = [table.format_number(x) for x in (min(values), max(values))]
    median = table.format_cell(group.medians()[row], column)
    return median if texts[0] == texts[1] else f"{median} ({texts[0]} to {texts[1]})"


def _value(value: Any) -> str:
    if isinstance(value, list):
        text = f"({', '.join(map(_value, value))})"
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return _escape(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
