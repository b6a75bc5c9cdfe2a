"""Chooses the settings of `configs/soil.py` without looking at 20 cm.

    python -m experiments.soil_choice [--cycles=1500] [--out=FILE.json]

Ten days of every thirty are held out at 10 and 50 cm, and nothing reads 20 cm. The
candidates are ranked by the RMSE of the hybrid synthetic model there, a mean over the
four stations of its ratio to that of the physical model.
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

CANDIDATES = {
    "synthetic.field.scale": (0.3, 1.0),
    "hybrid.alpha_synthetic": (1.0, 10.0),
}


def main():
    """Prints a line for each candidate and station, then the ranking."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=1500)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = []
    for values in itertools.product(*CANDIDATES.values()):
        chosen = dict(zip(CANDIDATES, values, strict=True))
        ratios = [
            _ratio(station, chosen, options.cycles) for station in configs.STATIONS
        ]
        results.append(chosen | {"ratios": ratios, "mean": float(np.mean(ratios))})
        print(json.dumps(results[-1]), flush=True)
    best = min(results, key=lambda result: result["mean"])
    print("best:", json.dumps(best))
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


def _ratio(station, chosen, cycles) -> float:
    config = configs.get_config(station)
    config.update_from_flattened_dict(chosen)
    config.baselines = False
    config.data.holds_out = "blocks"
    config.hybrid.cycles = cycles
    settings = schema.from_dict(experiment.template(soil), config)
    problem = soil.make_problem(settings.pde, settings.data)
    data = soil.observe(problem, settings.data, None)
    rows = hyco_jax.fit(problem, data, settings).rows
    pair = [rows[f"hybrid_{m}"]["held_out/rmse"] for m in ("synthetic", "physical")]
    return pair[0] / pair[1]


if __name__ == "__main__":
    main()
