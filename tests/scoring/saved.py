"""Arrays and a history as a run saves them, for the figures."""

import numpy as np

from hyco_jax.scoring import table

ALL = ["initial_guess", *table.ROW_STAGE]


def make_arrays(ndim, methods=ALL, num_times=6, diverged=(), has_truth=True):
    """Arrays as a run saves them; the i-th method is off by 0.1 (i + 1) throughout.

    A state is a density, a velocity and a static channel of 1e6; the coefficients are a
    number `rate`, a field `growth` and a vector field `wind`. Without a truth every
    other state is observed, in the observed region.
    """
    shape = (12, 8, 5)[:ndim]
    axes = [np.arange(n) + 0.5 for n in shape]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    observed = (np.abs(x[..., 0] - 6) < 3) & (x[..., -1] > 2)
    times = 0.5 * np.arange(num_times)
    wave = np.sin(2 * np.pi * x[..., 0] / 12 - times.reshape(-1, *[1] * ndim))
    channels = [2 + wave, *(wave * (1 + d) for d in range(ndim)), 1e6 + 0 * wave]
    truth = np.stack(channels, axis=-1).astype(np.float32)
    arrays = {
        "coordinates": x,
        "extent": np.array(shape, float),
        "dt": np.array(0.5),
        "observed": observed,
        "times": times,
        "quantities": np.array(["density", "velocity"]),
        "components": np.array([1, ndim]),
        "coefficient/rate/truth": np.array(2.0),
        "coefficient/growth/truth": 1.0 + x[..., 0],
        "coefficient/wind/truth": np.cos(x),
        "rollout/truth": truth,
    }
    for i, method in enumerate(methods):
        bad = np.nan if method in diverged else 0.0
        curve = 0.1 * (i + 1) * times
        curve[3:] += np.inf if method in diverged else 0.0
        arrays[f"nrmse/train/{method}"] = arrays[f"nrmse/val/{method}"] = curve
        rollout = truth + np.float32(0.1 * (i + 1))
        rollout[3:] += bad
        arrays[f"rollout/{method}"] = rollout
        for name in ("rate", "growth", "wind") if "synthetic" not in method else ():
            truth_of = arrays[f"coefficient/{name}/truth"]
            arrays[f"coefficient/{name}/{method}"] = truth_of + 0.1 * (i + 1) + bad
    if has_truth:
        return arrays
    known = {name for name in arrays if name.endswith("/truth")}
    seen = observed[None, ..., None] & (np.arange(num_times) % 2 == 0).reshape(
        -1, *[1] * (ndim + 1)
    )
    arrays["rollout/observed"] = np.where(seen, truth, np.nan)
    return {name: array for name, array in arrays.items() if name not in known}


def make_history(stages=("physical", "synthetic", "hybrid"), names=("rate", "growth")):
    """Four lines for each stage of metrics.jsonl; cycle 0 of hybrid is a warm-up."""
    lines = []
    for stage in stages:
        for cycle in range(4):
            line = {"stage": stage, "cycle": cycle}
            if stage != "physical":
                line["synthetic/loss_real"] = 0.5**cycle
            if stage == "physical" or (stage == "hybrid" and cycle > 0):
                line["physical/loss_real"] = 0.3**cycle
                for i, name in enumerate(names):
                    line[f"physical/{name}_error"] = (i + 1) * 0.2**cycle
            if stage == "hybrid" and cycle > 0:
                line["synthetic/loss_generated"] = 0.7**cycle
                line["physical/loss_generated"] = 0.6**cycle
            lines.append(line)
    return lines
