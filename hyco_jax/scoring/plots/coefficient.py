"""The figure of an identified coefficient, against the true one if it is known."""

import numpy as np
from matplotlib.figure import Figure

from hyco_jax.scoring.plots import image_grid, images, numbers, style, units


def names(arrays) -> list[str]:
    """Coefficients of which there is some method's, in saved order."""
    keys = [key for key in arrays if key.startswith("coefficient/")]
    found = dict.fromkeys(key.split("/")[1] for key in keys)
    return [name for name in found if style.methods(arrays, f"coefficient/{name}")]


def draw(arrays, name: str) -> Figure:
    """Draws a coefficient, its errors if the truth is known, and its standard errors.

    Args:
        arrays: As in `plots`.
        name: One of `names(arrays)`.

    Returns:
        Of a number dots; of a field in 1-D lines over the shaded observed region, in
        2-D images; of a vector field in 1-D its only component, in 2-D its norm under
        arrows, and the norm of the error. Standard errors are bars or bands of 95 %, in
        2-D images of their own.
    """
    group, ndim = f"coefficient/{name}", arrays["observed"].ndim
    methods = style.methods(arrays, group)
    known = ["truth"] if f"{group}/truth" in arrays else []
    values = {m: style.finite(arrays[f"{group}/{m}"]) for m in [*known, *methods]}
    unit = str(arrays.get(f"coefficient_unit/{name}", ""))
    deviations = {
        m: style.finite(arrays[f"deviation/{name}/{m}"])
        for m in methods
        if f"deviation/{name}/{m}" in arrays
    }
    if values[methods[0]].ndim == 0:
        return numbers.draw(values, style.with_unit(name, unit), deviations)
    vectors = {m: v if v.ndim > ndim else v[..., None] for m, v in values.items()}
    is_vector = vectors[methods[0]].shape[-1] > 1
    fields = {m: style.magnitude(v) for m, v in vectors.items()}
    errors = {
        m: style.magnitude(vectors[m] - vectors["truth"]) for m in methods if known
    }
    _, error_label = style.field_labels(style.words(name), is_vector)
    field_label, _ = style.field_labels(style.words(name) + "(x)", is_vector)
    field_label = style.with_unit(field_label, unit)
    spreads = {
        m: style.magnitude(d if d.ndim > ndim else d[..., None])
        for m, d in deviations.items()
    }
    if ndim == 1:
        return _draw_lines(fields, errors, spreads, arrays, field_label, error_label)
    as_images = [
        {m: f.T[None] for m, f in part.items()} for part in (fields, errors, spreads)
    ]
    figure = image_grid.draw(
        *as_images[:2],
        arrays,
        images.plane(arrays),
        rows=[""],
        field_label=field_label,
        error_label=error_label,
        signed=not is_vector,
        deviations=as_images[2],
    )
    if is_vector:
        longest = style.limits(style.comparable(fields), margin=0.0)[1]
        for ax, vector in zip(figure.axes, vectors.values(), strict=False):
            images.add_arrows(ax, vector, longest, arrays)
    return figure


def _draw_lines(fields, errors, spreads, arrays, field_label, error_label):
    figure = Figure(figsize=(5.6, 4.4 if errors else 3.2))
    ratios = (3, 2) if errors else (1,)
    axes = figure.subplots(
        len(ratios), sharex=True, height_ratios=ratios, squeeze=False
    )
    axes = axes.ravel()
    top, x = axes[0], arrays["coordinates"][:, 0]
    shown = list(fields.values())
    low, high = style.limits(np.stack(shown), margin=0.0)
    for method, field in fields.items():
        style.plot_line(top, method, x, field, label=style.label(method, field))
        if method in spreads:
            reach = style.HALF_WIDTH * spreads[method]
            ends = field - reach, field + reach
            look = {**style.BAND, "color": style.LINES[method]["color"]}
            label = "_" if len(shown) > len(fields) else "interval of 95 %"
            top.fill_between(x, *ends, label=label, **look)
            # A field that nothing determines must not press the others together.
            shown += [np.clip(end, 2 * low - high, 2 * high - low) for end in ends]
    top.set(ylabel=field_label, ylim=style.limits(np.stack(shown)))
    if errors:
        _draw_errors(axes[1], x, style.fitted(errors), error_label)
    for ax in axes:
        style.shade_observed(ax, arrays)
    axes[-1].set(xlabel=units.position(arrays), xlim=(0, float(arrays["extent"][0])))
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _draw_errors(ax, x, errors, label):
    for method, error in errors.items():
        style.plot_line(ax, method, x, error)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(
        ylabel=label + "\n(fitted)" * ("initial_guess" not in errors),
        ylim=style.limits(np.stack(list(errors.values()))),
    )
