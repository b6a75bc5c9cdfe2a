"""Flows run from their config to table and figures; see `test_systems.py`."""

import pytest

from tests.experiments import systems

pytestmark = [
    pytest.mark.slow,
]


@pytest.mark.parametrize("system", ["smoke", "kolmogorov"])
def test_a_system_runs_to_its_table_and_figures(tmp_path, system, capsys):
    systems.check_run(system, tmp_path)
    assert "hybrid synthetic" in capsys.readouterr().out
