"""One line of numbers for each of several runs, as docs/pages/gallery.md has them.

python -m experiments.gallery runs/heat runs/smoke [...]
"""

import sys
from pathlib import Path

from hyco_jax.running import metric_writer
from hyco_jax.scoring import table

HEADER = (
    "| run | coefficient: guess | physical alone | hybrid physical "
    "| nRMSE: physical alone | synthetic alone | hybrid physical | hybrid synthetic "
    "| minutes |"
)
ROWS = ("physical_alone", "synthetic_alone", "hybrid_physical", "hybrid_synthetic")


def main(workdirs: list[str]):
    """Prints a Markdown table of finished runs with their baselines."""
    print(HEADER)
    print("|---|" + "---:|" * (HEADER.count("|") - 2))
    for workdir in workdirs:
        print(line(Path(workdir)))


def line(workdir: Path) -> str:
    """Formats a run: errors of the coefficient, test nRMSE, minutes of training.

    Raises:
        ValueError: If the run has no results, or no baselines.
    """
    path = workdir / "eval.json"
    if not path.exists():
        raise ValueError(f"{path} does not exist; finish the run first")
    rows = metric_writer.read(path)[0]["rows"]
    missing = sorted(set(ROWS) - rows.keys())
    if missing:
        raise ValueError(
            f"{workdir} lacks the rows {missing}; run it with --config.mode=hybrid "
            "--config.baselines=True"
        )
    coefficients = [
        rows[row].get("coefficient_error")
        for row in ("initial_guess", "physical_alone", "hybrid_physical")
    ]
    errors = [rows[row].get("test/nrmse") for row in ROWS]
    seconds = sum(rows[row]["seconds"] for row in ROWS[:3])
    numbers = [table.format_number(x) for x in (*coefficients, *errors)]
    return f"| {workdir.name} | " + " | ".join(numbers) + f" | {seconds / 60:.1f} |"


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
