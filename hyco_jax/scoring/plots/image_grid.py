"""A grid of images: one column per method, fields above and their errors below."""

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
) -> Figure:
    """Draws fields and errors, each on one scale that all methods share.

    Args:
        fields: Maps `truth` and methods to images, shape `(R, vertical, horizontal)`.
        errors: The same for the methods alone.
        arrays: As in `plots`, for the observed region.
        frame: Placement and names of the axes.
        rows: A name for each of the R rows, such as a time, or an empty one.
        field_label: Label of the colour bar of the fields.
        error_label: The same for the errors.
        signed: Whether the errors have a sign; if so, 0 is the middle of their scale.

    Returns:
        The figure, of 2 R rows; its axes are in the order of reading.
    """
    num_rows, num_columns = len(rows), len(fields)
    width = COLUMN_WIDTH * num_columns + 1.5
    height = 2 * num_rows * (COLUMN_WIDTH * frame.height + 0.12) + 1.4
    figure = Figure(figsize=(width, height))
    grid = figure.subplots(2 * num_rows, num_columns, squeeze=False)
    scales = images.field_scale(fields), images.error_scale(fields, errors, signed)
    upper, lower = grid[:num_rows], grid[num_rows:]
    shown = _draw_block(upper, fields, list(fields), scales[0], frame, arrays)
    images.add_bar(upper, shown, scales[0], frame, field_label)
    shown = _draw_block(lower, errors, list(fields), scales[1], frame, arrays)
    images.add_bar(lower, shown, scales[1], frame, error_label)
    _name_fields(upper, fields, rows)
    _name_errors(lower, errors, list(fields), signed)
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


def _name_errors(axes, errors, columns, signed):
    text = "model\n− truth" if signed else "|model\n− truth|"
    for (i, j), ax in np.ndenumerate(axes):
        if columns[j] in errors:
            rms = np.sqrt(np.mean(np.square(errors[columns[j]][i])))
            ax.set_title("rms " + table.format_number(float(rms)))
        else:
            centre = {"xycoords": "axes fraction", "ha": "center", "va": "center"}
            ax.annotate(text, (0.5, 0.5), **centre)
