"""The page of a finished run: `report.html`, whole in one file, read without a server.

It is made of what the workdir holds and refers to nothing outside of itself.
"""

import base64
import datetime
import shlex
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from hyco_jax.config import schema, tree
from hyco_jax.models.physical import CoefficientSettings
from hyco_jax.result import Result
from hyco_jax.running import workdir as workdirs
from hyco_jax.scoring import readings, table
from hyco_jax.settings import Settings

NAME = "report.html"
_TYPES = {".png": "image/png", ".gif": "image/gif"}
# What a reader asks first comes first; what has no place here follows.
_ORDER = ("coefficient", "rollout", "fields", "nrmse", "series", "sensors", "history")
_ABOUT = {
    "coefficient": "Coefficient {}",
    "rollout": "A rollout over time",
    "fields": "Fields of the {}",
    "nrmse": "Errors of rollouts over time",
    "series": "Readings of the {} over time",
    "errors": "Errors of the {} over time",
    "sensors": "Where the sensors are",
    "history": "The course of the training",
}
_NO_TRUTH = "No truth is known: models are scored on what was measured."
_BY_HAND = (
    "This run was started by a call of hyco_jax.fit. The same call with another "
    "workdir makes it again."
)

# Colours of the text are at least 4.5 to 1 against what they stand on.
_STYLE = """
:root { color-scheme: light dark; --text: #1d2329; --soft: #59636e; --page: #ffffff;
  --panel: #f4f6f8; --line: #d5dbe1; --accent: #0b5c98; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ec; --soft: #a3adb8;
  --page: #15191e; --panel: #1f252c; --line: #37404a; --accent: #7cc0f4; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; color: var(--accent); }
p { margin: .5rem 0; max-width: 46rem; }
.soft, figcaption, caption { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; font-size: .85rem; width: 100%; }
th, td { padding: .35rem .5rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums; }
tr:last-child > * { border-bottom: 0; }
thead th { background: var(--panel); }
th[scope=row] { position: sticky; left: 0; background: var(--page); font-weight: 600; }
th:first-child, .text th, .text td { text-align: left; }
.text td { white-space: normal; overflow-wrap: anywhere; }
/* On a phone a row of text is a block of its own, each cell with its heading. */
@media (max-width: 40rem) {
  .text thead { display: none; }
  .text tr, .text th, .text td { display: block; border: 0; padding: .1rem .5rem; }
  .text tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  .text td::before { content: attr(data-head) ": "; color: var(--soft); }
}
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: .7rem .9rem; overflow-x: auto; font-size: .85rem; }
.figures { display: grid; gap: 1.2rem; }
figure { margin: 0; min-width: 0; }
/* The figures are drawn on white. */
img { display: block; max-width: 100%; height: auto; background: #fff;
  border: 1px solid var(--line); border-radius: 6px; }
figcaption { margin-top: .3rem; }
"""


def write(result: Result, workdir: Path):
    """Writes the page of a finished run.

    Args:
        result: What was found.
        workdir: Of the run; its `config.json` and `run.json` are read, and every
            figure in `figures/` is shown.
    """
    config = workdirs.read_config(workdir)
    info = workdirs.read_run_info(workdir)
    name = config.get("experiment_name") or workdir.resolve().name
    title = f"{name}, {config['variant']}" if config.get("variant") else name
    sections = {
        "Result": _result(result),
        "Figures": _figures(workdir / "figures"),
        "Settings that differ from the defaults": _settings(config),
        "Do it again": _command(info.get("command", [])),
        "How it was run": _run(info, result),
    }
    body = "".join(f"<h2>{escape(h)}</h2>\n{text}" for h, text in sections.items())
    workdirs.write_atomic(
        workdir / NAME,
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{escape(title)}</h1>\n{_summary(config, info)}{body}"
        "</main>\n</body>\n</html>\n",
    )


def _summary(config: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    mode = config.get("mode", "")
    what = "both models together" if mode == "hybrid" else f"the {mode} model"
    parts = [
        what + (" and each alone" if mode == "hybrid" and config["baselines"] else ""),
        f"seed {config.get('seed')}",
        f"{_duration(sum(info.get('durations', {}).values()))} of training",
        str(info.get("started", ""))[:10],
    ]
    text = f'<p class="soft">{escape("Trained: " + " · ".join(parts))}</p>\n'
    if config.get("notes"):
        text += f"<p>{escape(config['notes'])}</p>\n"
    return text


def _result(result: Result) -> str:
    columns = table.shown_columns(result.rows)
    body = [
        [
            table.ROWS[row],
            *(table.format_cell(result.rows[row], c) for c in columns),
        ]
        for row in table.ROWS
        if row in result.rows
    ]
    caption = table.caption(columns, result.rows, readings.units(result.arrays))
    text = _table(["method", *map(table.heading, columns)], body)
    text += f'<p class="soft">{escape(caption)}</p>\n'
    for row, estimate in result.uncertainty.items():
        for sentence in estimate["words"]:
            text += f"<p>{escape(f'{table.ROWS[row]}: {sentence}.')}</p>\n"
    if not any(name.endswith("/truth") for name in result.arrays):
        text += f"<p>{_NO_TRUTH}</p>\n"
    return text


def _figures(folder: Path) -> str:
    def place(path):
        kind = path.stem.partition("_")[0]
        return _ORDER.index(kind) if kind in _ORDER else len(_ORDER), path.name

    paths = [path for path in folder.glob("*") if path.suffix in _TYPES]
    figures = []
    for path in sorted(paths, key=place):
        kind, _, what = path.stem.partition("_")
        about = _ABOUT.get(kind, path.stem).format(what.replace("_", " "))
        content = base64.b64encode(path.read_bytes()).decode()
        figures.append(
            f'<figure><img alt="{escape(about)}" '
            f'src="data:{_TYPES[path.suffix]};base64,{content}">'
            f"<figcaption>{escape(about)}</figcaption></figure>\n"
        )
    if not figures:
        return "<p>None were drawn.</p>\n"
    return f'<div class="figures">\n{"".join(figures)}</div>\n'


def _settings(config: Mapping[str, Any]) -> str:
    rows = [
        [leaf.dotted, repr(leaf.value), repr(leaf.default), leaf.key.doc]
        for leaf in _leaves(config)
        if leaf.value != leaf.default
    ]
    if not rows:
        return "<p>None.</p>\n"
    return _table(["key", "value", "default", "what it is"], rows, "text")


def _leaves(config: Mapping[str, Any]) -> Iterator[tree.Leaf]:
    """All keys of a config whose settings are known, with values and defaults."""
    from hyco_jax import pde  # PhiFlow takes long to import.

    names = config.get("coefficients", {})
    template = Settings(coefficients={name: CoefficientSettings() for name in names})
    sections = {"": (template, config)}
    if config.get("experiment_name") in pde.NAMES:
        module = pde.find(config["experiment_name"])
        sections["pde."] = (module.Settings(), config["pde"])
        sections["data."] = (module.DataSettings(), config["data"])
    for prefix, (defaults, values) in sections.items():
        known = tree.children(defaults)
        own = {name: value for name, value in values.items() if name in known}
        settings = schema.from_dict(defaults, own, prefix)
        yield from tree.leaves(settings, defaults, prefix)


def _command(command: Sequence[str]) -> str:
    if not command:
        return f"<p>{_BY_HAND}</p>\n"
    lines = []
    for word in command:
        if lines and not word.startswith("--"):
            lines[-1] += f" {shlex.quote(word)}"
        else:
            lines.append(shlex.quote(word))
    text = " \\\n    ".join(lines)
    return f'<pre tabindex="0">{escape(text)}</pre>\n'


def _run(info: Mapping[str, Any], result: Result) -> str:
    durations = info.get("durations", {})
    rows = [
        [f"{stage}, training", f"{_duration(durations[stage])}, {cycles} cycles"]
        for stage, cycles in result.cycles.items()
        if stage in durations
    ]
    sessions = info.get("sessions", [])
    rows.append(["started", str(info.get("started", "")).replace("T", " ")])
    if len(sessions) > 1:
        rows.append(["starts", str(len(sessions))])
    device = info.get("device") or {}
    rows.append(["device", f"{device.get('count', '')} × {device.get('kind', '')}"])
    git = info.get("git") or {}
    if git:
        changed = ", with changes" if git.get("dirty") else ""
        rows.append(["commit", f"{git['revision']}{changed}"])
    rows += [[k, str(v)] for k, v in (info.get("versions") or {}).items() if v]
    return _table(["what", "value"], rows, "text")


def _table(header: Sequence[str], body: Sequence[Sequence[str]], kind: str = "") -> str:
    """An HTML table that scrolls sideways where the page is narrower."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in header)
    rows = "".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(
            f'<td data-head="{escape(heading)}">{escape(cell)}</td>'
            for heading, cell in zip(header[1:], others, strict=True)
        )
        + "</tr>\n"
        for first, *others in body
    )
    # To be scrolled by keyboard too.
    return (
        f'<div class="wide" tabindex="0"><table class="{kind}">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )


def _duration(seconds: float) -> str:
    """Such as `0:01:32`, of seconds."""
    return str(datetime.timedelta(seconds=round(seconds)))
