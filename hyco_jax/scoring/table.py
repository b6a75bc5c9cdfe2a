"""The table of a run: what each method reached, for the terminal and for Markdown."""

import math
import textwrap
from collections.abc import Mapping

ROWS = {
    "initial_guess": "initial guess",
    "physical_alone": "physical alone",
    "synthetic_alone": "synthetic alone",
    "hybrid_physical": "hybrid physical",
    "hybrid_synthetic": "hybrid synthetic",
}

# Where each row of the table comes from: stage and model.
ROW_STAGE = {
    "physical_alone": ("physical", "physical"),
    "synthetic_alone": ("synthetic", "synthetic"),
    "hybrid_physical": ("hybrid", "physical"),
    "hybrid_synthetic": ("hybrid", "synthetic"),
}

COLUMNS = {
    "coefficient_error": "coef. error",
    "train/nrmse": "train",
    "train/nrmse_inside": "train in",
    "train/nrmse_outside": "train out",
    "val/nrmse": "val",
    "val/nrmse_inside": "val in",
    "val/nrmse_outside": "val out",
    "val/valid_time": "valid time",
    "val/max_divergence": "max div",
    "test/nrmse": "test",
    "test/nrmse_inside": "test in",
    "test/nrmse_outside": "test out",
    "test/valid_time": "valid time",
    "test/max_divergence": "max div",
    "seconds": "seconds",
}

# A sentence of the caption, and the columns of which at least one calls for it.
SENTENCES = {
    "Coef. error: the largest relative error of the learned coefficients.": (
        "coefficient_error",
    ),
    "Train: nRMSE of rollouts on training simulations.": ("train/nrmse",),
    "Val: nRMSE of rollouts on validation simulations.": ("val/nrmse",),
    "Test: nRMSE of rollouts on test simulations, which no choice has seen.": (
        "test/nrmse",
    ),
    "In and out: inside and outside of the observed region.": tuple(
        column for column in COLUMNS if column.endswith(("_inside", "_outside"))
    ),
    "Valid time: on validation.": ("val/valid_time",),
    "Valid time: on test.": ("test/valid_time",),
    "Max div: the largest relative divergence of the velocity on validation.": (
        "val/max_divergence",
    ),
    "Max div: the largest relative divergence of the velocity on test.": (
        "test/max_divergence",
    ),
    "Seconds: of training.": ("seconds",),
}
WIDTH = 88


def format_table(rows: Mapping[str, Mapping[str, float | None]]) -> str:
    """Formats the results of a run as an aligned Markdown table with a caption.

    Args:
        rows: Maps a key of `ROWS` to a mapping from keys of `COLUMNS` to numbers. Any
            subset of either may be present; the order is that of `ROWS`.

    Returns:
        Lines of equal length, a blank line and the caption of what is shown, no newline
        at the end. Columns without a value in any row are left out, and those of
        validation where there is any of test; else None and absent entries read `-`,
        non-finite ones `diverged`.

    Raises:
        ValueError: If a row or a column is unknown.
    """
    _check_known("row", rows, ROWS)
    for values in rows.values():
        _check_known("column", values, COLUMNS)
    columns = _shown_columns(rows)
    body = [
        [name, *(format_number(rows[row].get(column)) for column in columns)]
        for row, name in ROWS.items()
        if row in rows
    ]
    header = ["method", *(COLUMNS[column] for column in columns)]
    widths = [max(map(len, cells)) for cells in zip(header, *body, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [_line(cells, widths) for cells in (header, rule, *body)]
    return "\n".join([*lines, "", _caption(columns)])


def format_number(value: float | None) -> str:
    """Formats a number with three significant digits.

    Args:
        value: Any float; None where there is nothing to report.

    Returns:
        `-` for None, `diverged` for a non-finite value, a plain decimal from 1e-4 to
        1e6, else scientific notation.
    """
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "diverged"
    if value == 0:
        return "0"
    # Rounded first, so that 9.999 counts as 10.0 and keeps three digits, not four.
    rounded = float(f"{value:.2e}")
    if not 1e-4 <= abs(rounded) < 1e6:
        return f"{value:.2e}"
    return f"{rounded:.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def _shown_columns(rows):
    columns = [
        column
        for column in COLUMNS
        if any(values.get(column) is not None for values in rows.values())
    ]
    if any(column.startswith("test/") for column in columns):
        # Choices were made on validation, so that its scores are a little optimistic.
        return [column for column in columns if not column.startswith("val/")]
    return columns


def _caption(columns):
    sentences = (text for text, about in SENTENCES.items() if {*about} & {*columns})
    return textwrap.fill(" ".join(sentences), WIDTH)


def _line(cells, widths):
    first = cells[0].ljust(widths[0])
    others = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
    return "| " + " | ".join([first, *others]) + " |"


def _check_known(kind, given, known):
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"unknown {kind} {unknown} in the table; use the names {list(known)}"
        )
