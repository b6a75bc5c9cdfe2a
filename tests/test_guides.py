"""The examples of the guides, run as they stand."""

import json

import numpy as np
import pytest

from tests import pages


@pytest.mark.slow
@pytest.mark.usefixtures("optimised", "no_error_bars", "coarse_pictures")
def test_a_pde_of_ones_own_takes_forty_lines(tmp_path, monkeypatch, capsys):
    text = pages.block("docs/pages/guides/pde.md", "own-pde")
    assert len(text.splitlines()) <= 40
    imports = [line for line in text.splitlines() if "import" in line]
    assert all(w in line for line in imports[2:] for w in ["hyco_jax"])
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "fisher_kpp.py", "exec"), {"__name__": "__main__"})
    rows = json.loads((tmp_path / "runs/fisher_kpp/eval.json").read_text())["rows"]
    guess = rows["initial_guess"]["coefficient_error"]
    assert rows["hybrid_physical"]["coefficient_error"] < 0.3 * guess
    alone, together = (
        rows[row]["test/nrmse"] for row in ("synthetic_alone", "hybrid_synthetic")
    )
    assert together < 0.7 * alone
    assert "hybrid synthetic" in capsys.readouterr().out


def write_plate(path):
    """Writes what 80 thermometers read of three waves that decay, κ = 0.5."""
    rng = np.random.default_rng(0)
    places, times = 2 * np.pi * rng.random((2, 80)), 0.1 * np.arange(21)
    phases = 2 * np.pi * rng.random((3, 2))
    lines = ["sensor,x,y,t,temperature"]
    for sensor, (x, y) in enumerate(places.T):
        for t in times:
            u = 0.02 * rng.standard_normal()
            for (k, q), (a, b) in zip([(1, 0), (0, 1), (1, 1)], phases, strict=True):
                decay = np.exp(-0.5 * (k**2 + q**2) * t)
                u += decay * np.sin(k * x + a) * np.cos(q * y + b)
            lines.append(f"s{sensor},{x:.5f},{y:.5f},{t:.3f},{u:.5f}")
    path.write_text("\n".join(lines))


@pytest.mark.slow
@pytest.mark.usefixtures("optimised", "no_error_bars", "coarse_pictures")
def test_ten_lines_take_a_table_of_sensors_to_the_score_of_those_held_out(
    tmp_path, monkeypatch, capsys
):
    text = pages.block("docs/pages/guides/data.md", "sensors")
    code = [line for line in text.splitlines() if line and "import" not in line]
    assert len(code) <= 10
    write_plate(tmp_path / "plate.csv")
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "plate.py", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    assert "80 static" in printed and "held out chi²" in printed
    rows = json.loads((tmp_path / "runs/plate/eval.json").read_text())["rows"]
    score = {row: values["held_out/chi2"] for row, values in rows.items()}
    assert score["hybrid_synthetic"] < 1.1 * score["physical_alone"]
    assert score["hybrid_synthetic"] < 0.2 * score["interpolation"]


def test_a_file_on_a_grid_says_which_grid_it_is(tmp_path, monkeypatch):
    xarray = pytest.importorskip("xarray")
    shape, names = (5, 4, 3), ("time", "lon", "lat")
    axes = {name: 2.0 * np.arange(n) for name, n in zip(names, shape, strict=True)}
    values = {"temperature": (names, np.random.default_rng(0).random(shape))}
    monkeypatch.chdir(tmp_path)
    xarray.Dataset(values, axes).to_netcdf("weather.nc", engine="h5netcdf")
    names = {"__name__": "__main__"}
    exec(pages.block("docs/pages/guides/data.md", "grid-file"), names)
    assert names["facts"].domain.resolution == shape[1:] and names["facts"].dt == 2
    assert names["data"].observed.states.shape == (1, *shape, 1)
