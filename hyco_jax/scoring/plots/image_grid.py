"""A grid of images: one column per method, fields above and any errors below."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hyco_jax.scoring import table
from hyco_jax.scoring.plots import images, style

COLUMN_WIDTH = 1.3


def draw(
    fields: dict[str, np.ndarray],
    errors: dict[str, np.ndarray],
    arrays,
    frame: images.Frame,
    *,
    rows: list[str],
    field_label: str,
    error_label: str,
    signed: bool,
    deviations: dict[str, np.ndarray] | None = None,
) -> Figure:
    """Draws fields and errors, each on one scale that all methods share.

    Args:
        fields: Maps the reference, if there is one, and methods to images, shape
            `(R, vertical, horizontal)`.
        errors: The same for the methods alone; empty without a reference.
        arrays: As in `plots`, for the observed region.
        frame: Placement and names of the axes.
        rows: A name for each of the R rows, such as a time, or an empty one.
        field_label: Label of the colour bar of the fields.
        error_label: The same for the errors.
        signed: Whether the errors have a sign; if so, 0 is the middle of their scale.
        deviations: Standard errors of the methods that have some, shaped as the fields.

    Returns:
        The figure, of R rows each for fields, errors and standard errors, if there are
        any; its axes are in the order of reading.
    """
    num_rows, num_columns = len(rows), len(fields)
    width = COLUMN_WIDTH * num_columns + 1.5
    num_blocks = 1 + bool(errors) + bool(deviations)
    height = num_blocks * num_rows * (COLUMN_WIDTH * frame.height + 0.12) + 1.4
    # Names of axes stand between blocks.
    height += 0.25 * (num_blocks - 1)
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(num_blocks * num_rows, num_columns, squeeze=False)
    upper, lower = grid[:num_rows], grid[num_rows : 2 * num_rows]
    scale = images.field_scale(fields)
    shown = _draw_block(upper, fields, list(fields), scale, frame, arrays)
    images.add_bar(upper, shown, scale, frame, field_label)
    _name_fields(upper, fields, rows)
    if errors:
        scale = images.error_scale(fields, errors, signed)
        shown = _draw_block(lower, errors, list(fields), scale, frame, arrays)
        images.add_bar(lower, shown, scale, frame, error_label)
        _name_errors(lower, fields, errors, signed)
    if deviations:
        last = grid[-num_rows:]
        scale = images.deviation_scale(deviations)
        shown = _draw_block(last, deviations, list(fields), scale, frame, arrays)
        images.add_bar(last, shown, scale, frame, "standard error")
    if 0 < arrays["observed"].mean() < 1:
        handle = Line2D([], [], color="black", linestyle="--", linewidth=0.9)
        figure.legend(
            [handle], ["boundary of the observed region"], loc="outside lower center"
        )
    return figure


def _draw_block(axes, group, columns, scale, frame, arrays):
    """Shows the images of all methods; leaves the column of a method without empty."""
    for (i, j), ax in np.ndenumerate(axes):
        lowest = i == len(axes) - 1
        if columns[j] in group:
            shown = images.show(ax, group[columns[j]][i], scale, frame)
            images.mark_observed(ax, arrays)
            ax.set_xlabel(frame.xlabel if lowest else "")
        else:
            ax.set(xlim=(0, 1), ylim=frame.box[2:], xticks=[])
            ax.set_box_aspect(frame.box_aspect)
            ax.spines[["right", "top", "bottom"]].set_visible(False)
        ax.tick_params(labelleft=j == 0, labelbottom=lowest, length=2)
        ax.set_ylabel(frame.ylabel if j == 0 else "")
    return shown


def _name_fields(axes, fields, rows):
    for (i, j), ax in np.ndenumerate(axes):
        method = list(fields)[j]
        name = style.label(method, fields[method]).replace(" ", "\n")
        ax.set_title("\n".join(filter(None, [name if i == 0 else "", rows[i]])))


def _name_errors(axes, fields, errors, signed):
    reference, bar = style.reference(fields), "" if signed else "|"
    text = f"{bar}model\n− {reference}{bar}"
    for (i, j), ax in np.ndenumerate(axes):
        method = list(fields)[j]
        if method in errors:
            # Unobserved cells don't count; those of a model that diverged do.
            seen = errors[method][i][np.isfinite(fields[reference][i])]
            rms = float(np.sqrt(np.mean(np.square(seen)))) if seen.size else None
            ax.set_title("rms " + table.format_number(rms))
        else:
            centre = {"xycoords": "axes fraction", "ha": "center", "va": "center"}
            ax.annotate(text, (0.5, 0.5), **centre)
