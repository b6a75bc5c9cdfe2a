"""Scores of predictions at readings, and the arrays that their figures draw."""

from collections.abc import Mapping

import numpy as np

from hyco_jax.data.observations import Observations
from hyco_jax.data.readings import Readings
from hyco_jax.scoring import calibration


def splits(
    observations: Observations, used: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Tells rows apart by what they are for.

    Args:
        observations: Of readings.
        used: Rows that drive the models, see `Problem.drive`, shape `(R,)`, bool: of no
            split.

    Returns:
        Masks `(R,)` of the splits that have rows: of the training simulations "train",
        "held_out", and "forecast", what is held out after the last reading that trains;
        "val" and "test", all rows of those simulations.
    """
    readings = observations.observed
    free = np.ones(readings.count, bool) if used is None else ~used
    rows = {
        name: free & np.isin(readings.sim, sims)
        for name, sims in observations.splits.items()
    }
    trains = rows["train"] & ~readings.is_held_out
    last = np.full(readings.num_sims, -np.inf)
    np.maximum.at(last, readings.sim[trains], readings.time[trains])
    is_later = readings.time > last[readings.sim]
    rows = {
        "train": trains,
        "held_out": rows["train"] & readings.is_held_out & ~is_later,
        "forecast": rows["train"] & readings.is_held_out & is_later,
        **{name: mask for name, mask in rows.items() if name != "train"},
    }
    return {name: mask for name, mask in rows.items() if mask.any()}


def score(
    readings: Readings,
    predictions: np.ndarray,
    unit: np.ndarray,
    rows: Mapping[str, np.ndarray],
    count_after: float = 0.0,
) -> dict[str, float | None]:
    """Scores one method's predictions in every split.

    Args:
        readings: All of them.
        predictions: Of the values, shape `(R, V)`.
        unit: Standard deviations of the channels' training readings, shape `(V,)`, in
            which errors are measured if no sigma is stated.
        rows: From `splits`.
        count_after: Rows count after this time; by default after t = 0.

    Returns:
        For each split `<split>/chi2`, the mean of the squares of errors over sigma, or
        without a sigma `<split>/nrmse`, the root of the mean of the squares of errors
        over `unit`; and in the data's unit `<split>/rmse`, or of several channels
        `<split>/rmse_<name>`. None where nothing was read, inf where a prediction that
        counts isn't finite.
    """
    error = np.asarray(predictions, np.float64) - readings.values
    scaled = error / (unit if readings.sigma is None else readings.sigma)
    result = {}
    for split, mask in rows.items():
        counts = np.isfinite(readings.values)
        counts &= (mask & (readings.time > count_after))[:, None]
        mean = _mean_square(scaled[counts])
        if readings.sigma is None:
            result[f"{split}/nrmse"] = None if mean is None else float(np.sqrt(mean))
        else:
            result[f"{split}/chi2"] = mean
        for channel, name in enumerate(_rmse_names(readings.names)):
            mean = _mean_square(error[counts[:, channel], channel])
            result[f"{split}/{name}"] = None if mean is None else float(np.sqrt(mean))
    return result


def calibrate(
    readings: Readings,
    predictions: np.ndarray,
    spread: np.ndarray,
    unit: np.ndarray,
    rows: Mapping[str, np.ndarray],
) -> dict[str, float | None]:
    """Compares the errors of an ensemble with its spread, see `scoring.calibration`.

    Args:
        readings: All of them.
        predictions: Of the ensemble, shape `(R, V)`.
        spread: Of its members, of that shape.
        unit: See `score`.
        rows: From `splits`.

    Returns:
        `<split>/error_to_spread` and `<split>/within_spread` of all splits that were
        not trained on, after t = 0. The errors have those of the readings in them.
    """
    weights = np.broadcast_to(1 / unit**2, predictions.shape)
    if readings.sigma is not None:
        weights = 1 / readings.sigma**2
    is_read = np.isfinite(readings.values)
    errors = np.where(is_read, predictions - readings.values, 0)
    result = {}
    for split, mask in rows.items():
        if split != "train":
            counts = is_read & (mask & (readings.time > 0))[:, None]
            found = calibration.scores(errors, spread, np.where(counts, weights, 0))
            result |= {f"{split}/{name}": value for name, value in found.items()}
    return result


def score_interpolation(
    readings: Readings,
    predictions: np.ndarray,
    unit: np.ndarray,
    rows: Mapping[str, np.ndarray],
    count_after: float = 0.0,
) -> dict[str, float | None]:
    """Scores `baseline.interpolate`, as `score`, on rows that are held out alone.

    It holds the values of all others itself. None where it has nothing to go by.
    """
    held_out = ("held_out", "forecast")
    rows = {name: mask for name, mask in rows.items() if name in held_out}
    columns = score(readings, predictions, unit, rows, count_after)
    return {
        name: value if value is not None and np.isfinite(value) else None
        for name, value in columns.items()
    }


def coefficient_columns(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Columns of the learned coefficients that are numbers, by name."""
    return {
        f"coefficient/{name}": float(value)
        for name, value in values.items()
        if np.ndim(value) == 0
    }


def arrays(
    readings: Readings,
    predictions: Mapping[str, np.ndarray],
    rows: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """Arrays of the figures, of rows of the table that are none of its splits as well.

    Args:
        readings: All of them.
        predictions: By row of the table, shape `(R, V)`.
        rows: From `splits`.

    Returns:
        The entries of `Readings` as `readings/<entry>`, but those for messages;
        `readings/split`, the name of each row's split or "" if it has none, shape
        `(R,)`; and `predicted/<row>`.
    """
    split = np.full(readings.count, "", dtype="<U8")
    for name, mask in rows.items():
        split[mask] = name
    entries = {
        name: getattr(readings, name)
        for name in ("sim", "time", "position", "values", "sigma", "sensor")
        if getattr(readings, name) is not None
    }
    entries |= {
        name: np.array([str(label) for label in getattr(readings, name)])
        for name in ("names", "sims", "sensors", "units")
    }
    result = {f"readings/{name}": value for name, value in entries.items()}
    result["readings/split"] = split
    return result | {
        f"predicted/{row}": np.asarray(p) for row, p in predictions.items()
    }


def units(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Units of the table's columns, without their split, from saved arrays.

    Args:
        arrays: See `scoring.plots`.

    Returns:
        Those that are known of `rmse`, or of several channels `rmse_<name>`, and of
        `coefficient/<name>`.
    """
    result = {}
    if "readings/names" in arrays:
        names = _rmse_names([str(name) for name in arrays["readings/names"]])
        result = dict(zip(names, map(str, arrays["readings/units"]), strict=True))
    for name in arrays:
        if name.startswith("coefficient_unit/"):
            column = name.replace("coefficient_unit", "coefficient", 1)
            result[column] = str(arrays[name])
    return {name: unit for name, unit in result.items() if unit}


def _rmse_names(names):
    return ["rmse"] if len(names) == 1 else [f"rmse_{name}" for name in names]


def _mean_square(errors) -> float | None:
    if not errors.size:
        return None
    mean = float(np.mean(np.square(errors)))
    return mean if np.isfinite(mean) else np.inf
