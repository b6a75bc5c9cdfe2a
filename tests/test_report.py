"""The page of a run: whole in itself, escaped, with a truth and without."""

import dataclasses
import html.parser
import json

import numpy as np
import pytest

import hyco_jax
from hyco_jax import report
from hyco_jax.config import experiment, schema
from hyco_jax.pde import heat
from hyco_jax.result import Result

VOID = {"meta", "img"}
ROWS = {
    "initial_guess": {"coefficient_error": 1.0, "test/nrmse": 0.5},
    "hybrid_physical": {"coefficient_error": 0.0123, "test/nrmse": None},
}


class Page(html.parser.HTMLParser):
    """Collects a page's text and references, and checks that its tags are closed."""

    def __init__(self, path):
        super().__init__()
        self.open, self.text, self.references, self.tags = [], "", [], []
        self.feed(path.read_text("utf-8"))
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.references += [v for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data


@pytest.fixture
def make(tmp_path):
    """Writes the page of a run that nobody trained."""

    def make(config, arrays=(), info=(), figures=()):
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "run.json").write_text(json.dumps(dict(info)))
        (tmp_path / "figures").mkdir()
        for name in figures:
            (tmp_path / "figures" / name).write_bytes(b"content")
        result = Result(ROWS, dict(arrays), [], {}, {"hybrid": 3}, tmp_path)
        report.write(result, tmp_path)
        return Page(tmp_path / report.NAME)

    return make


def own_config(**changes):
    """The config of a fit of a problem of one's own."""
    unknown = hyco_jax.CoefficientSettings("scalar", 0.1, (0.0, 0.5))
    settings = hyco_jax.Settings(coefficients={"rate": unknown})
    return schema.to_dict(dataclasses.replace(settings, **changes))


def test_the_page_refers_to_nothing_outside_of_itself(make):
    names = ("nrmse.png", "coefficient_rate.png", "rollout.gif", "notes.txt")
    page = make(own_config(), figures=names)
    assert [r.partition(",")[0] for r in page.references] == [
        "data:image/png;base64",
        "data:image/gif;base64",
        "data:image/png;base64",
    ]
    assert not {"script", "link", "iframe"} & {*page.tags}
    assert page.text.index("Coefficient rate") < page.text.index("A rollout over time")


def test_the_table_and_what_differs_from_the_defaults_are_told(make):
    page = make(own_config(seed=7))
    assert "0.0123" in page.text and "Coef. error: the largest relative" in page.text
    assert "seed" in page.text and "of all random draws" in page.text
    assert "coefficients.rate.guess" in page.text
    assert "hybrid.cycles" not in page.text  # as by default


def test_keys_of_a_system_are_compared_with_its_own_defaults(make):
    defaults = experiment.template(heat)
    changed = dataclasses.replace(defaults.data, num_steps=7)
    settings = dataclasses.replace(defaults, data=changed, variant="mine")
    page = make(schema.to_dict(settings))
    assert "heat, mine" in page.text
    assert "data.num_steps" in page.text and "steps of a simulation" in page.text
    assert "pde." not in page.text and "data.region" not in page.text


def test_text_is_escaped_wherever_it_comes_from(make):
    bad = "<script>alert('&amp;')</script>"
    page = make(
        own_config() | {"notes": bad, "variant": bad, "experiment_name": bad},
        info={"command": ["python", f"--config.notes={bad}"], "git": {"revision": bad}},
        figures=("fields_<b>.png",),
    )
    assert "script" not in page.tags and "b" not in page.tags
    # Of system, variant, notes, command and commit.
    assert page.text.count("<script>alert(") == 5
    assert "Fields of the <b>" in page.text


def test_the_command_has_a_line_for_each_flag_and_can_be_pasted(make):
    words = ["python", "-m", "experiments.heat", "--config=c.py", "--config.tasks=(1,)"]
    page = make(own_config(), info={"command": words})
    expected = "python -m experiments.heat \\\n    --config=c.py \\\n    "
    assert f"{expected}'--config.tasks=(1,)'" in page.text


def test_a_run_tells_how_long_it_took_and_with_what(make):
    info = {
        "started": "2026-11-26T12:00:00+00:00",
        "durations": {"hybrid": 92.4, "gone": 1.0},
        "versions": {"jax": "0.10.2", "phiflow": None},
        "device": {"kind": "cpu", "count": 1},
        "git": {"revision": "abc", "dirty": True},
        "sessions": [{}, {}],
    }
    text = make(own_config(), info=info).text
    for expected in ("0:01:32, 3 cycles", "1 × cpu", "abc, with changes", "0.10.2"):
        assert expected in text
    assert "phiflow" not in text and "call of hyco_jax.fit" in text


@pytest.mark.parametrize("known", [True, False])
def test_without_a_truth_the_page_says_so(known, make):
    arrays = {"rollout/truth": np.zeros(3)} if known else {}
    page = make(own_config(), arrays)
    assert ("No truth is known" in page.text) != known
