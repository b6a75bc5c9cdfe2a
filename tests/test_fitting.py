"""The library's front door: fit, load, networks of one's own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

import hyco_jax
from hyco_jax.networks.model import as_model
from tests.ring import ring_data, ring_problem, ring_settings

PROBLEM = ring_problem()
ALONE = dataclasses.replace(ring_settings(normalise=True), mode="synthetic")


class Stencil(nn.Module):
    """A linear stencil of three cells."""

    @nn.compact
    def __call__(self, u):
        near = jnp.concatenate([jnp.roll(u, i, 0) for i in (-1, 0, 1)], -1)
        return nn.Dense(u.shape[-1], use_bias=False)(near)


@pytest.fixture(scope="module")
def data():
    return ring_data(PROBLEM)


@pytest.fixture(scope="module")
def fitted(data, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("own") / "run"
    lines = []
    result = hyco_jax.fit(PROBLEM, data, ALONE, workdir, lines.append, Stencil())
    return result, workdir, lines


def test_a_flax_module_takes_the_place_of_the_named_network(fitted):
    result, _, lines = fitted
    (kernel,) = jax.tree.leaves(result.synthetic.params["network"])
    assert kernel.shape == (3, 1)
    assert [line["cycle"] for line in lines] == [1, 2]
    assert result.history[-1]["synthetic/loss_real"] == lines[-1]["synthetic/loss_real"]


@pytest.mark.usefixtures("no_figures")
def test_a_model_takes_the_place_of_the_named_network(data, fitted):
    model = as_model(
        Stencil(),
        PROBLEM.domain,
        PROBLEM.dt,
        PROBLEM.quantities,
        normalisation=fitted[0].synthetic.params["normalisation"],
    )
    result = hyco_jax.fit(PROBLEM, data, ALONE, network=model)
    assert result.workdir is None
    jax.tree.map(
        np.testing.assert_array_equal,
        result.synthetic.params,
        fitted[0].synthetic.params,
    )


def test_what_was_passed_to_fit_is_passed_to_load(data, fitted):
    result, workdir, _ = fitted
    with pytest.raises(ValueError, match="PDE None is not one of .*; pass the problem"):
        hyco_jax.load(workdir)
    loaded = hyco_jax.load(workdir, PROBLEM, Stencil())
    assert loaded.table() == result.table()
    u0 = np.ones((8, 1), np.float32)
    # What normalised the network is part of its parameters.
    np.testing.assert_array_equal(
        loaded.synthetic.rollout(u0, 2), result.synthetic.rollout(u0, 2)
    )
    scored = hyco_jax.evaluate(loaded, PROBLEM, ALONE, data, Stencil())
    assert scored == result.rows


def test_a_finished_run_has_its_report_which_the_same_call_writes_again(data, fitted):
    path = fitted[1] / "report.html"
    before = path.read_bytes()
    assert b"data:image/png;base64," in before
    path.unlink()
    hyco_jax.fit(PROBLEM, data, ALONE, fitted[1], network=Stencil())
    assert len(path.read_bytes()) == pytest.approx(len(before), abs=200)


def test_a_model_that_was_not_trained_is_asked_for_in_vain(fitted):
    with pytest.raises(ValueError, match="no physical model was trained"):
        fitted[0].physical  # noqa: B018


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coefficients": {}}, r"coefficients has \[\], expected \['rate'\]"),
        ({"mode": "both"}, "config.mode='both' is not allowed"),
        ({"seed": -1}, "config.seed=-1 is not allowed"),
    ],
)
def test_settings_of_ones_own_are_checked(change, message, data, tmp_path):
    options = dataclasses.replace(ALONE, **change)
    with pytest.raises(ValueError, match=message):
        hyco_jax.fit(PROBLEM, data, options, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_names_of_the_package_are_found_and_others_are_named():
    assert hyco_jax.Domain((4,), (1.0,)).dx == (0.25,)
    assert all(getattr(hyco_jax, name) is not None for name in hyco_jax.__all__)
    with pytest.raises(AttributeError, match="no name 'fits'; it has .*'fit'"):
        hyco_jax.fits  # noqa: B018
