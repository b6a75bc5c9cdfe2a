"""The figure of the identified coefficient against the true one and the guess."""

import numpy as np
from matplotlib.figure import Figure

from hyco_jax.plots import image_grid, images, style

NAME = "viscosity ν(x)"


def draw(arrays) -> Figure | None:
    """Draws the coefficient fields and their errors.

    Args:
        arrays: As in `plots`.

    Returns:
        In 1-D lines over the shaded observed region, in 2-D images; None if no method
        has a coefficient.
    """
    methods = style.methods(arrays, "coefficient")
    if not methods or "coefficient/truth" not in arrays:
        return None
    fields = {m: style.finite(arrays[f"coefficient/{m}"]) for m in ["truth", *methods]}
    errors = {m: fields[m] - fields["truth"] for m in methods}
    if arrays["observed"].ndim == 1:
        return _draw_lines(fields, errors, arrays)
    as_images = [{m: f.T[None] for m, f in group.items()} for group in (fields, errors)]
    return image_grid.draw(
        *as_images,
        arrays,
        images.plane(arrays),
        rows=[""],
        field_label=NAME,
        error_label="error of ν",
        signed=True,
    )


def _draw_lines(fields, errors, arrays):
    figure = Figure(figsize=(5.6, 4.4))
    top, bottom = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    x = arrays["coordinates"][:, 0]
    for method, field in fields.items():
        style.plot_line(top, method, x, field, label=style.label(method, field))
    fitted = {m: e for m, e in errors.items() if m != "initial_guess"} or errors
    for method, error in fitted.items():
        style.plot_line(bottom, method, x, error)
    for ax in (top, bottom):
        style.shade_observed(ax, arrays)
    bottom.axhline(0, color="black", linewidth=0.6)
    top.set(ylabel=NAME, ylim=style.limits(np.stack(list(fields.values()))))
    bottom.set(
        xlabel="position x",
        ylabel="error of ν" + " (fitted)" * ("initial_guess" not in fitted),
        xlim=(0, float(arrays["extent"][0])),
        ylim=style.limits(np.stack(list(fitted.values()))),
    )
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
