"""Figures as the papers have them: coefficients, errors with sensors, and over cycles.

All are of the first seed.
"""

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib import rc_context

from experiments.published.case import Case
from experiments.published.forms import form_of
from experiments.published.looks import COLORS, LABELS
from hyco_jax.scoring.plots import style
from hyco_jax.stages import Prepared


def save(case: Case, prepared: Prepared, rows, curves, folder: Path) -> list[Path]:
    """Draws all figures of an experiment into a folder, and returns their files.

    Args:
        case: The experiment.
        prepared: The hybrid's, of the first seed.
        rows: What was found.
        curves: Errors along the way.
        folder: It exists.
    """
    form = form_of(prepared)
    with rc_context(style.RC):
        figures = {
            "coefficient": form.coefficients(case, prepared, rows),
            "errors": form.errors(case, prepared, rows),
            "curves": _curves(case, rows, curves),
        }
        paths = []
        for name, figure in figures.items():
            if figure is None:
                continue
            path = folder / f"{case.name}_{name}.png"
            figure.savefig(path, dpi=130, bbox_inches="tight")
            plt.close(figure)
            paths.append(path)
    return paths


def _curves(case, rows, curves):
    """Errors of the solution over the share of the training that is done."""
    figure, ax = plt.subplots(figsize=(7.5, 3.4))
    for row, result in rows.items():
        last = result.errors[0]["e_s"]
        look = {"color": COLORS.get(row, "0.6"), "label": LABELS[row]}
        if row in curves:
            values = curves[row]
            share = np.arange(1, len(values) + 1) / len(values)
            ax.plot(share, values, marker="o", markersize=2.5, **look)
        else:
            ax.axhline(last, linestyle=":", linewidth=1.0, **look)
    ax.set(yscale="log", xlim=(0, 1.02))
    ax.set(xlabel="share of the training", ylabel="solution error")
    figure.legend(loc="outside right center")
    return figure
