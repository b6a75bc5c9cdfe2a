"""Prints the median table of several finished runs, such as one for each seed.

python -m experiments.medians runs/seed0 runs/seed1 runs/seed2
"""

import math
import statistics
import sys
from pathlib import Path

from hyco_jax.running import metric_writer
from hyco_jax.scoring import table


def medians(workdirs: list[str]) -> dict[str, dict[str, float]]:
    """Takes the median of each entry of the runs' tables.

    Args:
        workdirs: Where the runs are kept.

    Returns:
        Rows and columns of the table; an entry that a run lacks is left out.

    Raises:
        ValueError: If a workdir holds no `eval.json`.
    """
    runs = []
    for workdir in workdirs:
        path = Path(workdir, "eval.json")
        if not path.exists():
            raise ValueError(f"{path} does not exist; is {workdir} a finished run?")
        runs.append(metric_writer.read(path)[0]["rows"])
    result = {}
    for row, values in runs[0].items():
        result[row] = {}
        for name in filter(table.is_column, values):
            entries = [rows.get(row, {}).get(name) for rows in runs]
            if None not in entries:
                # A NaN has no place in an order: a diverged run counts as the worst.
                ranked = [math.inf if math.isnan(entry) else entry for entry in entries]
                result[row][name] = statistics.median(ranked)
    return result


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: name the workdirs of finished runs")
    try:
        print(table.format_table(medians(sys.argv[1:])))
    except ValueError as error:
        sys.exit(f"error: {error}")
