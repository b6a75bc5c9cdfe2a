"""Prints the median table of several finished runs, such as one for each seed.

python -m experiments.medians runs/seed0 runs/seed1 runs/seed2
"""

import json
import statistics
import sys
from pathlib import Path

from experiments import _results


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
        tables.append(json.loads(path.read_text())["rows"])
    return {
        row: {
            name: statistics.median(table[row][name] for table in tables)
            for name, value in values.items()
            if value is not None and all(name in table[row] for table in tables)
        }
        for row, values in tables[0].items()
    }


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("error: name the workdirs of finished runs")
    try:
        _results.print_table(medians(sys.argv[1:]))
    except ValueError as error:
        sys.exit(f"error: {error}")
