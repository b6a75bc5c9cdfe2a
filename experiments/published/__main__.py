"""The published experiments with their strongest rivals, a table in Markdown.

    python -m experiments.published --config=configs/published.py:heat_half
    python -m experiments.published --config=configs/published.py:all

Every row is trained in this run on the same data, for several seeds in one program.
Tables, numbers and figures go to --workdir. What each row does: `rows.py`.
"""

import json
from pathlib import Path

from experiments import problems_command
from experiments.published import bound, figures, table
from experiments.published import rows as all_rows
from experiments.published.case import make_case, prepare
from hyco_jax.running.compilation_cache import kept_programs


def main(argv: list[str] | None = None):
    """Parses the flags, runs every problem of the config and prints its table."""
    config, folder = problems_command.read(argv, "published.py", "runs/published")
    with kept_programs(True):
        tables = [
            run(make_case(name, own, config["seeds"]), folder)
            for name, own in config["problems"].items()
        ]
    (folder / "table.md").write_text("\n\n".join(tables) + "\n")
    print("\n\n".join(tables))


def run(case, folder: Path) -> str:
    """Runs an experiment, keeps its numbers and figures, and returns its table."""
    rows, curves = all_rows.run(case, lambda line: print(line, flush=True))
    numbers = {
        name: {
            "errors": row.errors,
            "seconds": row.seconds,
            "one_seed": row.one_seed,
            "solves": row.solves,
            "evaluations": row.evaluations,
        }
        for name, row in rows.items()
    }
    text = json.dumps({"rows": numbers, "curves": curves}, indent=1)
    (folder / f"{case.name}.json").write_text(text)
    first = prepare(case._replace(seeds=case.seeds[:1]), ["hybrid"])["hybrid"][0]
    figures.save(case, first, rows, curves, folder)
    text = table.markdown(case.name, rows, case.config["published"])
    limit = bound.line(case)
    return f"{text}\n\n{limit}" if limit else text


if __name__ == "__main__":
    main()
