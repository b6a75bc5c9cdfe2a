"""The figure of an identified coefficient against the true one and the guess."""

import numpy as np
from matplotlib.figure import Figure

from hyco_jax.scoring.plots import image_grid, images, numbers, style


def names(arrays) -> list[str]:
    """Coefficients of which there is the truth and some method's, in saved order."""
    parts = [key.split("/") for key in arrays if key.startswith("coefficient/")]
    found = dict.fromkeys(name for _, name, method in parts if method == "truth")
    return [name for name in found if style.methods(arrays, f"coefficient/{name}")]


def draw(arrays, name: str) -> Figure:
    """Draws a coefficient and its errors.

    Args:
        arrays: As in `plots`.
        name: One of `names(arrays)`.

    Returns:
        Of a number dots; of a field in 1-D lines over the shaded observed region, in
        2-D images; of a vector field in 1-D its only component, in 2-D its norm under
        arrows, and the norm of the error.
    """
    group, ndim = f"coefficient/{name}", arrays["observed"].ndim
    methods = ["truth", *style.methods(arrays, group)]
    values = {m: style.finite(arrays[f"{group}/{m}"]) for m in methods}
    if values["truth"].ndim == 0:
        return numbers.draw(values, style.words(name))
    vectors = {m: v if v.ndim > ndim else v[..., None] for m, v in values.items()}
    is_vector = vectors["truth"].shape[-1] > 1
    fields = {m: style.magnitude(v) for m, v in vectors.items()}
    errors = {m: style.magnitude(vectors[m] - vectors["truth"]) for m in methods[1:]}
    _, error_label = style.field_labels(style.words(name), is_vector)
    field_label, _ = style.field_labels(style.words(name) + "(x)", is_vector)
    if ndim == 1:
        return _draw_lines(fields, errors, arrays, field_label, error_label)
    as_images = [{m: f.T[None] for m, f in part.items()} for part in (fields, errors)]
    figure = image_grid.draw(
        *as_images,
        arrays,
        images.plane(arrays),
        rows=[""],
        field_label=field_label,
        error_label=error_label,
        signed=not is_vector,
    )
    if is_vector:
        longest = style.limits(fields["truth"], margin=0.0)[1]
        for ax, vector in zip(figure.axes, vectors.values(), strict=False):
            images.add_arrows(ax, vector, longest, arrays)
    return figure


def _draw_lines(fields, errors, arrays, field_label, error_label):
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
    top.set(ylabel=field_label, ylim=style.limits(np.stack(list(fields.values()))))
    bottom.set(
        xlabel="position x",
        ylabel=error_label + "\n(fitted)" * ("initial_guess" not in fitted),
        xlim=(0, float(arrays["extent"][0])),
        ylim=style.limits(np.stack(list(fitted.values()))),
    )
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
