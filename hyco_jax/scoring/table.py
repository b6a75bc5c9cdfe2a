"""The table of a run: what each method reached, for the terminal and for Markdown."""

import math
import textwrap
from collections.abc import Mapping, Sequence

ROWS = {
    "initial_guess": "initial guess",
    "physical_alone": "physical alone",
    "synthetic_alone": "synthetic alone",
    "hybrid_physical": "hybrid physical",
    "hybrid_synthetic": "hybrid synthetic",
    "interpolation": "interpolation",
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
    "train/chi2": "train chi²",
    "train/nrmse": "train",
    "train/nrmse_inside": "train in",
    "train/nrmse_outside": "train out",
    "train/rmse": "train rmse",
    "held_out/chi2": "held out chi²",
    "held_out/nrmse": "held out",
    "held_out/rmse": "held out rmse",
    "held_out/error_to_spread": "held out error/spread",
    "held_out/within_spread": "held out within 2",
    "forecast/chi2": "forecast chi²",
    "forecast/nrmse": "forecast",
    "forecast/rmse": "forecast rmse",
    "forecast/error_to_spread": "forecast error/spread",
    "forecast/within_spread": "forecast within 2",
    "val/chi2": "val chi²",
    "val/nrmse": "val",
    "val/nrmse_inside": "val in",
    "val/nrmse_outside": "val out",
    "val/rmse": "val rmse",
    "val/error_to_spread": "val error/spread",
    "val/within_spread": "val within 2",
    "val/valid_time": "valid time",
    "val/max_divergence": "max div",
    "test/chi2": "test chi²",
    "test/nrmse": "test",
    "test/nrmse_inside": "test in",
    "test/nrmse_outside": "test out",
    "test/rmse": "test rmse",
    "test/error_to_spread": "test error/spread",
    "test/within_spread": "test within 2",
    "test/valid_time": "valid time",
    "test/max_divergence": "max div",
    "seconds": "seconds",
}

# Columns whose names end with that of a channel or a coefficient: how they start, and
# the column that they follow and whose heading they continue.
FAMILIES = {
    "coefficient/": "coefficient_error",
    **{f"{split}/rmse_": f"{split}/rmse" for split in ("train", "held_out")},
    "forecast/rmse_": "forecast/rmse",
    **{f"{split}/rmse_": f"{split}/rmse" for split in ("val", "test")},
}

# Standard error of a number under the noise of the data, by its name.
NOISE = "coefficient_noise/"
# Likewise what a grid that is infinitely fine would change, by `uncertainty.grid`, and
# the value there.
GRID, ESTIMATE = "coefficient_grid/", "coefficient_estimate/"
# What stands behind a number in its own column, each with a ±, in this order.
TERMS = (NOISE, GRID)

# A sentence of the caption, and the columns, or starts of families, of which at least
# one calls for it.
SENTENCES = {
    "Coef. error: the largest relative error of the learned coefficients.": (
        "coefficient_error",
    ),
    "Columns named after a coefficient: the value that was found.": ("coefficient/",),
    "Train: nRMSE of rollouts on training simulations.": ("train/nrmse",),
    "Val: nRMSE of rollouts on validation simulations.": ("val/nrmse",),
    "Test: nRMSE of rollouts on test simulations, which no choice has seen.": (
        "test/nrmse",
    ),
    "Held out: readings of training simulations that no model has seen.": (
        *("held_out/chi2", "held_out/nrmse", "held_out/rmse", "held_out/rmse_"),
    ),
    "Forecast: readings after the last one trained on.": (
        *("forecast/chi2", "forecast/nrmse", "forecast/rmse", "forecast/rmse_"),
    ),
    "Chi²: mean square of the errors at readings over their sigma, 1 if explained.": (
        tuple(column for column in COLUMNS if column.endswith("/chi2"))
    ),
    "RMSE: of errors at readings, in their own unit.": tuple(
        column
        for column in (*COLUMNS, *FAMILIES)
        if column.endswith(("/rmse", "/rmse_"))
    ),
    "Error/spread: rms error of the mean over rms spread of the members, 1 if it is "
    "calibrated. Within 2: the share of errors of at most two spreads.": tuple(
        column for column in COLUMNS if column.endswith("_spread")
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
NRMSE_OF_READINGS = (
    "nRMSE of readings: in units of the standard deviation of those trained on."
)
INTERPOLATION = (
    "Interpolation: linear in space and time between the readings trained on."
)
FIELD = (
    "The field knows the training simulations alone: it has no answer to a new initial "
    "state."
)
ABOUT_TERMS = {
    NOISE: "First ±: the standard error under the noise of the data.",
    GRID: "Last ±: what an infinitely fine grid would change.",
}
WIDTH = 88


def is_column(name: str) -> bool:
    """Whether the table has a place for it: a key of `COLUMNS` or one of a family."""
    return name in COLUMNS or _family(name) is not None


def is_term(name: str) -> bool:
    """Whether it stands behind a ± in the column of a number."""
    return name.startswith(TERMS)


def format_table(
    rows: Mapping[str, Mapping[str, float | None]],
    units: Mapping[str, str] | None = None,
) -> str:
    """Formats the results of a run as an aligned Markdown table with a caption.

    Args:
        rows: Maps a key of `ROWS` to a mapping from keys of `COLUMNS`, names of a
            family, or such of `TERMS`, to numbers. Any subset of either may be
            present; the order is that of `ROWS` and `COLUMNS`, within a family that of
            appearance.
        units: Of columns without their split, such as `rmse`, `rmse_<channel>` and
            `coefficient/<name>`, for the caption.

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
        own = [v for v in values if _family(v) is None and not is_term(v)]
        _check_known("column", own, COLUMNS)
    columns = shown_columns(rows)
    body = [
        [name, *(format_cell(rows[row], column) for column in columns)]
        for row, name in ROWS.items()
        if row in rows
    ]
    lines = markdown(["method", *map(heading, columns)], body)
    return "\n".join([lines, "", caption(columns, rows, units or {})])


def markdown(
    header: Sequence[str], body: Sequence[Sequence[str]], texts: int = 1
) -> str:
    """Formats cells as an aligned Markdown table.

    Args:
        header: The headings.
        body: The cells of each row.
        texts: How many of the first columns are text; the others are numbers.

    Returns:
        Lines of equal length, no newline at the end.
    """
    widths = [max(map(len, cells)) for cells in zip(header, *body, strict=True)]
    rule = ["-" * width for width in widths[:texts]]
    rule += ["-" * (width - 1) + ":" for width in widths[texts:]]
    return "\n".join(_line(cells, widths, texts) for cells in (header, rule, *body))


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


def format_cell(values: Mapping[str, float | None], column: str) -> str:
    """Formats an entry of a row, with what stands behind it."""
    if not column.startswith("coefficient/"):
        return format_number(values.get(column))
    name = column.removeprefix("coefficient/")
    errors = [values[f"{term}{name}"] for term in TERMS if f"{term}{name}" in values]
    return format_estimate(values.get(column), errors)


def format_estimate(value: float | None, errors: Sequence[float]) -> str:
    """Formats a number and its standard errors, such as `0.4983 ± 0.0021`.

    Args:
        value: Any float; None where there is nothing to report.
        errors: Any number of them, not negative.

    Returns:
        As many decimals as give the smallest error two digits; a factor of ten behind
        it where `format_number` has one.
    """
    texts = [format_number(value), *map(format_number, errors)]
    numbers = [value, *errors]
    if None in numbers or not all(map(math.isfinite, numbers)) or not any(errors):
        return " ± ".join(texts)
    largest = max(map(abs, numbers))
    power = math.floor(math.log10(largest))
    if 1e-4 <= largest < 1e6:
        power = 0
    scaled = [number / 10**power for number in numbers]
    smallest = float(f"{min(error for error in scaled[1:] if error):.1e}")
    decimals = max(0, 1 - math.floor(math.log10(smallest)))
    text = " ± ".join(f"{number:.{decimals}f}" for number in scaled)
    return f"({text})e{power:+03d}" if power else text


def shown_columns(rows: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """The columns that have a value in some row, in order; see `format_table`."""
    present = dict.fromkeys(column for values in rows.values() for column in values)
    columns = [
        column
        for place in COLUMNS
        for column in (place, *(c for c in present if _follows(c, place)))
        if any(values.get(column) is not None for values in rows.values())
    ]
    if any(column.startswith("test/") for column in columns):
        # Choices were made on validation, so that its scores are a little optimistic.
        return [column for column in columns if not column.startswith("val/")]
    return columns


def caption(columns: Sequence[str], rows: Mapping, units: Mapping[str, str]) -> str:
    """The sentences that explain columns of rows, wrapped; see `format_table`."""
    about = {*columns, *filter(None, map(_family, columns))}
    sentences = [text for text, calls in SENTENCES.items() if about & {*calls}]
    kinds = {column.rpartition("/")[2].partition("_")[0] for column in columns}
    if {"nrmse", "rmse"} <= kinds:
        sentences.append(NRMSE_OF_READINGS)
    present = {name for values in rows.values() for name in values}
    sentences += [
        text
        for term, text in ABOUT_TERMS.items()
        if any(name.startswith(term) for name in present)
    ]
    if _has_field(columns, rows):
        sentences.append(FIELD)
    if "interpolation" in rows:
        sentences.append(INTERPOLATION)
    shown = [
        f"{name.removeprefix('coefficient/').replace('_', ' ')} in {unit}"
        for name, unit in units.items()
        if unit
        and any(column == name or column.endswith(f"/{name}") for column in columns)
    ]
    if shown:
        sentences.append(f"Units: {', '.join(shown)}.")
    return textwrap.fill(" ".join(sentences), WIDTH)


def _has_field(columns, rows) -> bool:
    """Whether the synthetic model answers for the training simulations alone."""
    own = [
        rows[row]
        for row, (_, model) in ROW_STAGE.items()
        if model == "synthetic" and row in rows
    ]
    asked = [c for c in columns if c.startswith(("val/", "test/"))]
    return bool(own and asked) and not any(v.get(c) for v in own for c in asked)


def _family(column) -> str | None:
    """How its family's names start, None if it is of none."""
    return next((start for start in FAMILIES if column.startswith(start)), None)


def _follows(column, place) -> bool:
    return FAMILIES.get(_family(column)) == place


def heading(column: str) -> str:
    """What stands above a column."""
    family = _family(column)
    if family is None:
        return COLUMNS[column]
    name = column.removeprefix(family).replace("_", " ")
    return name if family == "coefficient/" else f"{COLUMNS[FAMILIES[family]]} {name}"


def _line(cells, widths, texts):
    padded = [
        cell.ljust(width) if i < texts else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"


def _check_known(kind, given, known):
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            f"unknown {kind} {unknown} in the table; use the names {list(known)}"
        )
