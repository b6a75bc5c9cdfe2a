"""Figures of records on a line: coefficients as lines, errors in space and time.

What is observed lies between dotted lines, or is shaded.
"""

import numpy as np
from matplotlib import pyplot as plt

from experiments.published import records, score
from experiments.published.looks import COLORS, LABELS, NETWORKS, SOLVERS, title
from experiments.published.rollouts import rollouts
from hyco_jax import seeds
from hyco_jax.scoring.plots import style
from hyco_jax.scoring.rows import observed_region

# Solvers whose rollouts are shown beside the networks'.
SHOWN = ("hybrid_physical", "starts")


def coefficients(case, prepared, rows):
    """The true coefficients and identified ones, and below what each is off by."""
    domain, found = prepared.problem.domain, {}
    truth = case.entry.make_truth(prepared.data)
    true = case.entry.maps(None, domain, truth)
    for row in filter(rows.get, SOLVERS):
        params = score.coefficients(prepared, seeds.take(rows[row].variables, 0))
        found[row] = case.entry.maps(params, domain, truth)
    (x,) = domain.coordinates().T
    figure, axes = plt.subplots(
        *(2, len(true)), figsize=(7.5, 4.6), sharex=True, squeeze=False
    )
    for (name, field), (above, below) in zip(true.items(), axes.T, strict=True):
        above.plot(x, field, color="black", linewidth=2.2, label="truth")
        for row, maps in found.items():
            look = {"color": COLORS[row], "linewidth": 1.2}
            above.plot(x, maps[name], label=LABELS[row], **look)
            below.plot(x, maps[name] - field, **look)
        for ax in (above, below):
            ax.axvspan(*_observed(prepared), **style.REGION)
        above.set(ylabel=style.words(name), xlim=(0, domain.extent[0]))
        below.set(ylabel="error", xlabel="x")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center")
    return figure


def errors(case, prepared, rows):
    """A simulation of the test, and errors of its rollouts, over space and time."""
    truth = case.entry.make_truth(prepared.data)[:1]
    found = {"interpolation": records.interpolated(prepared)[:1]}
    for row in filter(rows.get, (*SHOWN, *NETWORKS)):
        params = seeds.take(rows[row].variables, 0)
        model = prepared.models.synthetic
        if row in SHOWN:
            model = prepared.models.on_data_grid
            params = score.coefficients(prepared, params)
        found[row] = rollouts(score.jitted(model), params, truth)
    off = {row: (states - truth)[0, ..., 0] for row, states in found.items()}
    columns = len(off) + 1
    figure, axes = plt.subplots(
        1, columns, figsize=(1.5 * columns + 1.2, 3.0), sharey=True
    )
    problem = prepared.problem
    last = problem.dt * (truth.shape[1] - 1)
    look = {
        "origin": "lower",
        "aspect": "auto",
        "extent": (0.0, problem.domain.extent[0], 0.0, last),
    }
    exact = truth[0, ..., 0]
    shown = axes[0].imshow(
        exact, vmin=exact.min(), vmax=exact.max(), cmap=style.SIGNED_FIELD_MAP, **look
    )
    axes[0].set(title="truth", ylabel="t")
    figure.colorbar(shown, ax=axes[0], location="bottom", label="u", shrink=0.9)
    # Most errors are small beside those of the worst rows.
    largest = np.abs(exact).max() / 8
    for (row, error), ax in zip(off.items(), axes[1:], strict=True):
        shown = ax.imshow(
            *(error,), vmin=-largest, vmax=largest, cmap=style.SIGNED_ERROR_MAP, **look
        )
        ax.set(title=title(row))
    figure.colorbar(
        *(shown,),
        ax=axes[1:],
        location="bottom",
        label="error (cut at its ends)",
        shrink=0.4,
    )
    for ax in axes:
        ax.set(xlabel="x")
        for edge in _observed(prepared):
            ax.axvline(edge, color="0.3", linestyle=":", linewidth=0.8)
    return figure


def _observed(prepared) -> tuple[float, float]:
    """Where the observed part of the line begins and ends."""
    cells = np.flatnonzero(observed_region(prepared.data))
    (dx,) = prepared.problem.domain.dx
    return cells[0] * dx, (cells[-1] + 1) * dx
