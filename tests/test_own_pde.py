"""README's example of a PDE of one's own, run as it stands."""

import json
import pathlib

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"


def block(marker):
    """The code block of README.md that follows a marker."""
    after = README.read_text().split(f"<!-- {marker} -->", 1)[1]
    return after.split("```python\n", 1)[1].split("```", 1)[0]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_compilation")
def test_a_pde_of_ones_own_takes_forty_lines(tmp_path, monkeypatch, capsys):
    text = block("own-pde")
    assert len(text.splitlines()) <= 40
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "fisher_kpp.py", "exec"), {"__name__": "__main__"})
    rows = json.loads((tmp_path / "runs/fisher_kpp/eval.json").read_text())["rows"]
    guess = rows["initial_guess"]["coefficient_error"]
    assert rows["hybrid_physical"]["coefficient_error"] < 0.3 * guess
    alone, together = (
        rows[row]["val/nrmse"] for row in ("synthetic_alone", "hybrid_synthetic")
    )
    assert together < 0.7 * alone
    assert "hybrid synthetic" in capsys.readouterr().out
