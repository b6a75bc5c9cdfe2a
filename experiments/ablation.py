"""What each part of the coupling is worth: rules of alpha, updates, what is kept.

    python -m experiments.ablation --config=configs/ablation.py:burgers
    python -m experiments.ablation --config=configs/ablation.py:all

Every variant trains the same models on the same data, for several seeds in one program.
The table in Markdown, its numbers and a figure of each problem go to --workdir.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib import rc_context

from experiments import problems_command
from experiments.published import case as published
from experiments.published import score, table
from hyco_jax import fitting, pde, seeds
from hyco_jax.config import experiment, schema
from hyco_jax.running.compilation_cache import kept_programs
from hyco_jax.scoring.plots import style
from hyco_jax.stages import Prepared

ALONE = "alone"
COLUMNS = {
    "coefficient": "coefficient error, physical",
    "physical": "solution error, physical",
    "synthetic": "solution error, synthetic",
}


def main(argv: list[str] | None = None):
    """Parses the flags, runs every problem of the config and prints its table."""
    config, folder = problems_command.read(argv, "ablation.py", "runs/ablation")
    tables = []
    with kept_programs(True):
        for name, problem in config["problems"].items():
            found = {}
            for variant, errors in run(problem, config["seeds"]):
                found[variant] = errors
                # A variant takes minutes: those that are done outlive a crash.
                (folder / f"{name}.json").write_text(json.dumps(found, indent=1))
            draw(found, folder / f"{name}.png")
            tables.append(markdown(name, found))
    (folder / "table.md").write_text("\n\n".join(tables) + "\n")
    print("\n\n".join(tables))


def run(
    problem: Mapping[str, Any], num_seeds: int
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Trains one variant after the other.

    Args:
        problem: As the config has it.
        num_seeds: Seeds 1 to so many; settings were chosen on seed 0.

    Yields:
        The variant, and the errors of each seed by the names of `COLUMNS`, with the
        solver's last score as `misfit`, its loss on the real data or, with trust, on
        what is held out of them, and `seconds`.
    """
    for variant, changes in problem["variants"].items():
        chosen = [settings_of(problem, changes, 1 + i) for i in range(num_seeds)]
        prepared = [prepare(problem, settings) for settings in chosen]
        ((stage, runs),) = seeds.run(prepared).items()
        errors = [
            _errors(problem, stage, settings, own, seeds.take(runs.state, i))
            for i, (settings, own) in enumerate(zip(chosen, prepared, strict=True))
        ]
        by_name = {k: [e[k] for e in errors] for k in errors[0]}
        text = "  ".join(f"{k} {np.median(v):.4g}" for k, v in by_name.items())
        print(f"{variant}: {text}, {runs.seconds:.0f} s", flush=True)
        yield variant, by_name | {"seconds": [runs.seconds]}


def settings_of(
    problem: Mapping[str, Any], changes: Mapping[str, Any], seed: int
) -> experiment.Experiment:
    """The settings of a variant.

    Raises:
        ValueError: If one is unknown or not allowed.
    """
    configs = importlib.import_module(f"configs.{problem['experiment']}")
    settings = experiment.template(pde.find(problem["experiment"]))
    layers = configs.get_config(problem["variant"]), problem["settings"], changes
    for layer in (*layers, {"seed": seed, "baselines": False}):
        settings = schema.from_dict(settings, layer)
    return settings


def prepare(problem: Mapping[str, Any], settings: experiment.Experiment) -> Prepared:
    """Makes the data of a seed, and what is trained on them."""
    module = pde.find(problem["experiment"])
    made = module.make_problem(settings.pde, settings.data)
    data = experiment.make_data(settings, module, made)
    return fitting.prepare(made, data, settings)


def _errors(problem, stage, settings, prepared, state) -> dict[str, float]:
    """Of the models after the last cycle, and the solver's score; those of a network
    that was not trained are left out."""
    line = fitting.make_evaluation(prepared, settings)(stage, state)
    models = ("physical", "synthetic") if stage == "hybrid" else ("physical",)
    found = {model: line[f"{model}/{problem['score']}"] for model in models}
    coefficient = line.get(f"physical/{problem['coefficient']}_error")
    if coefficient is None:
        entry = published.ENTRIES[problem["experiment"]]
        params = score.coefficients(prepared, state.physical.train.variables)
        coefficient = entry.parameter_error(params, prepared.problem.domain)
        model = score.jitted(prepared.models.on_data_grid)
        found["physical"] = entry.solver_error(
            prepared.problem, model, params, entry.make_truth(prepared.data)
        )
    found["misfit"] = float(state.physical.score)
    return {"coefficient": float(coefficient)} | found


def markdown(name: str, found: Mapping[str, Mapping[str, list[float]]]) -> str:
    """Formats medians, ranges, and how the physical model compares with itself alone.

    Args:
        name: Of the problem.
        found: By variant, from `run`.
    """
    num_seeds = len(found[ALONE]["physical"])
    header = ["variant", *COLUMNS.values(), "physical / alone, worst seed", "seconds"]
    lines = [
        f"**{name}**, median (range) of {num_seeds} seeds",
        "",
        "| " + " | ".join(header) + " |",
        "|---|" + "---:|" * (len(header) - 1),
    ]
    for variant, errors in found.items():
        cells = [table.spread(errors.get(column, [None])) for column in COLUMNS]
        ratio = ratios(found, variant)
        cells += [f"{np.median(ratio):.3f}, {max(ratio):.3f}"]
        cells += [f"{errors['seconds'][0]:.0f}"]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratios(found: Mapping[str, Mapping[str, list[float]]], variant: str) -> np.ndarray:
    """Of each seed, the physical model's solution error over that of it alone."""
    return np.array(found[variant]["physical"]) / np.array(found[ALONE]["physical"])


def draw(found: Mapping[str, Mapping[str, list[float]]], path: Path):
    """Draws `ratios`: a dot for each seed, left of the line where cooperation helps."""
    names = [name for name in found if name != ALONE]
    with rc_context(style.RC):
        figure, axes = plt.subplots(figsize=(6, 0.4 * len(names) + 1.2))
        for row, name in enumerate(reversed(names)):
            ratio = ratios(found, name)
            axes.plot(ratio, [row] * len(ratio), "o", color="#0072B2", alpha=0.5)
            axes.plot(np.median(ratio), row, "|", color="black", ms=16)
        axes.axvline(1.0, color="0.6", lw=1)
        axes.set_xscale("log")
        for axis_of in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            axis_of("{x:g}")
        axes.set_yticks(range(len(names)), reversed(names))
        axes.set_xlabel("solution error of the physical model, over that of it alone")
        figure.savefig(path, dpi=130, bbox_inches="tight")
        plt.close(figure)


if __name__ == "__main__":
    main()
