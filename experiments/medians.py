"""Prints the median table of several finished runs, such as one for each seed.

python -m experiments.medians runs/seed0 runs/seed1 runs/seed2
"""

import math
import statistics
import sys
from pathlib import Path

from experiments import _results
from hyco_jax.running import metric_writer


def medians(workdirs: list[str]) -> dict[str, dict[str, float]]:
    """Takes the median of each entry of the runs' tables.

    Args:
        workdirs: Where the runs are kept.

    Returns:
        Rows as in `eval.json`; an entry that a run lacks is left out.

    Raises:
        ValueError: If a workdir holds no `eval.json`.
    """
    tables = []
    for workdir in workdirs:
        path = Path(workdir, "eval.json")
        if not path.exists():
            raise ValueError(f"{path} does not exist; is {workdir} a finished run?")
        tables.append(metric_writer.read(path)[0]["rows"])
    result = {}
    for row, values in tables[0].items():
        result[row] = {}
        for name in values:
            entries = [table.get(row, {}).get(name) for table in tables]
            if None not in entries:
                # A NaN has no place in an order: a diverged run counts as the worst.
                ranked = [math.inf if math.isnan(entry) else entry for entry in entries]
                result[row][name] = statistics.median(ranked)
    return result


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: name the workdirs of finished runs")
    try:
        _results.print_table(medians(sys.argv[1:]))
    except ValueError as error:
        sys.exit(f"error: {error}")
