"""Chooses the settings of `configs/soil.py` without looking at 20 cm.

    python -m experiments.soil_choice [--cycles=300] [--out=FILE.json]

Nothing reads 20 cm. The sensor at 10 cm is held out, then that at 50 cm, then both in
turn, a month each, and candidates are ranked by the RMSE of the hybrid synthetic model
at what is held out: the geometric mean over all of these and the four stations.
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np

import hyco_jax
from configs import soil as configs
from hyco_jax.config import experiment, schema
from hyco_jax.pde import soil

HELD_OUT = ("10 cm", "50 cm", "in turn")
CANDIDATES = {"hybrid.alpha_synthetic": (0.1, 0.3, 1.0, 5.0)}


def main():
    """Prints a line for each candidate, then the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=300)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = []
    for values in itertools.product(*CANDIDATES.values()):
        chosen = dict(zip(CANDIDATES, values, strict=True))
        errors = [
            _error(station, held, chosen, options.cycles)
            for station in configs.STATIONS
            for held in HELD_OUT
        ]
        mean = float(np.exp(np.mean(np.log(errors))))
        results.append(chosen | {"errors": errors, "mean": mean})
        print(json.dumps(results[-1]), flush=True)
    best = min(results, key=lambda result: result["mean"])
    print("best:", json.dumps(best))
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


def _error(station, held, chosen, cycles) -> float:
    """RMSE of the hybrid synthetic model at what is held out, in °C."""
    config = configs.get_config(station)
    config.update_from_flattened_dict(chosen)
    config.baselines = False
    config.uncertainty.noise = config.uncertainty.grid = False
    config.data.holds_out = held
    config.hybrid.cycles = cycles
    settings = schema.from_dict(experiment.template(soil), config)
    problem = soil.make_problem(settings.pde, settings.data)
    data = soil.observe(problem, settings.data, None)
    rows = hyco_jax.fit(problem, data, settings).rows
    return rows["hybrid_synthetic"]["held_out/rmse"]


if __name__ == "__main__":
    main()
