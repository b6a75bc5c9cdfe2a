"""Flows run from their config to table and figures; see `test_systems.py`."""

import pytest

from tests.experiments import systems

pytestmark = [
    pytest.mark.slow,
]


@pytest.mark.usefixtures("coarse_pictures")
def test_smoke_runs_to_its_table_and_figures(tmp_path, capsys):
    systems.check_run("smoke", tmp_path)
    systems.check_figures("smoke", tmp_path)
    assert "hybrid synthetic" in capsys.readouterr().out


@pytest.mark.usefixtures("no_figures")
def test_kolmogorov_flow_runs_to_its_table(tmp_path):
    systems.check_run("kolmogorov", tmp_path)
