# %% [markdown]
# # HYCO in ten minutes
#
# Two models learn the same flow from the same few measurements. One is a **solver** of
# an equation with an unknown coefficient, the other is a **neural network**. In HYCO
# each of them also learns from what the other predicts. The picture below shows the
# problem: run the first two cells to see it.

# %% cellView="form" jupyter={"source_hidden": true}
# @title Set up: installs hyco_jax where it is missing, and checks the device
import os
import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

# The address that Git clones the project from, as in pyproject.toml.
REPOSITORY = ""
# HYCO_NOTEBOOK_SIZE=tiny makes all that follows small: for tests, not for results.
TINY = os.environ.get("HYCO_NOTEBOOK_SIZE") == "tiny"


def install():
    """Installs hyco_jax beside what the runtime ships, none of which is replaced."""
    if not REPOSITORY:
        raise RuntimeError(
            "hyco_jax is not installed, and nobody has said where it is: write the "
            "address of its Git repository into REPOSITORY above and run this cell "
            "again, or run `pip install .` in a checkout and restart the kernel"
        )
    source = Path("hyco_jax_source")
    if not source.exists():
        subprocess.run(["git", "clone", "-q", "--depth=1", REPOSITORY, source], check=1)
    # Installed versions before the listed ones: Colab may be newer than the list.
    lines = (source / "constraints/colab.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and line[0] != "#")
    for name in pins:
        if any(metadata.distributions(name=name)):
            pins[name] = metadata.version(name)
    constraints = Path("constraints.txt")
    constraints.write_text("\n".join(f"{n}=={v}" for n, v in pins.items()))
    pip = [sys.executable, "-m", "pip", "install", "-q", "-c", constraints]
    subprocess.run([*pip, f"{source.resolve()}[data]"], check=1)


def promised_backend():
    """The backend that Colab's runtime type promises; None outside Colab."""
    if "COLAB_RELEASE_TAG" not in os.environ:
        return None
    if os.environ.get("COLAB_TPU_1VM") or os.environ.get("TPU_ACCELERATOR_TYPE"):
        return "tpu"
    return "gpu" if os.environ.get("COLAB_GPU", "0") not in ("", "0") else "cpu"


if util.find_spec("hyco_jax") is None:
    install()

import jax

backend, promised = jax.default_backend(), promised_backend()
assert promised in (None, backend), (
    f"this runtime promises a {promised}, but JAX computes on the {backend}: another "
    "jax was probably installed over Colab's own. Choose Runtime > Disconnect and "
    "delete runtime, then run this cell first; or choose another kind of runtime "
    "under Runtime > Change runtime type"
)
print(f"JAX {jax.__version__} computes on {jax.devices()[0].device_kind} ({backend})")

# %%
import dataclasses

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, Markdown, display

import hyco_jax
from hyco_jax.networks.settings import FiltersSettings
from hyco_jax.pde import burgers

cells, steps = (16, 8) if TINY else (64, 40)
grid = burgers.Settings(resolution=(cells,), extent=(32.0,), dt=0.5)
options = hyco_jax.DataSettings(num_steps=steps, scale=4.0, refine=2 if TINY else 4)
problem = burgers.make_problem(grid, options)
data = hyco_jax.simulate(problem, options, jax.random.key(0))

truth = data.truth.states[0, :, :, 0]
seen = np.broadcast_to(data.observed.weights > 0, data.truth.states[:1].shape)
measured = np.where(seen[0, :, :, 0], data.observed.states[0, :, :, 0], np.nan)
x = problem.domain.coordinates()[:, 0]

figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
for axis, values, title in [
    (axes[0], truth, "what happens: the velocity u"),
    (axes[1], measured, "what is measured: half of it, with noise"),
]:
    box = (0, 32, 0, steps * grid.dt)
    axis.imshow(values, origin="lower", aspect="auto", extent=box, cmap="RdBu_r")
    axis.set(title=title, xlabel="x", ylabel="t")
axes[2].plot(x, data.truth.coefficients["viscosity"], "k", label="in truth")
axes[2].axhline(2.0, color="tab:red", linestyle="--", label="first guess")
axes[2].axvspan(8, 24, color="0.9", label="measured here")
axes[2].set(title="what nobody knows: the viscosity ν(x)", xlabel="x", ylim=(0, 5))
axes[2].legend()
plt.show()

# %% [markdown]
# ## The problem
#
# The velocity $u(x, t)$ on a ring follows Burgers' equation,
#
# $$ \partial_t u + u\,\partial_x u = \partial_x\bigl(\nu(x)\,\partial_x u\bigr), $$
#
# and the viscosity $\nu(x)$ is not known. Several simulations start from different
# random states, which are given. After the start, only the middle half of the ring is
# measured, with 5 % noise. The data come from a grid that is four times finer than the
# one that is fitted, so that no model can be exact.
#
# The simulations have three purposes. Models learn from `train`, people choose settings
# with `val`, and the results are reported on `test`, which nothing else looks at.

# %%
print(data)

# %% [markdown]
# ## Two models
#
# | | physical model | synthetic model |
# |---|---|---|
# | what it is | a solver of this equation | a network that steps in time |
# | what it learns | $\Lambda$: the viscosity | $\Theta$: its weights |
# | what it knows before | the equation, all but $\nu$ | nothing |
# | how it is trained | L-BFGS on all data at once | Adam on small batches |
#
# Each of them minimises its error on the data plus $\alpha$ times its distance from
# what the other model predicts:
#
# $$ \min_\Theta\; L(\text{synthetic}_\Theta;\ \text{data})
#    + \alpha_\text{synthetic}\, L(\text{synthetic}_\Theta;\ \text{physical}_\Lambda) $$
# $$ \min_\Lambda\; L(\text{physical}_\Lambda;\ \text{data})
#    + \alpha_\text{physical}\, L(\text{physical}_\Lambda;\ \text{synthetic}_\Theta) $$
#
# One **hybrid cycle** trains the network, then the solver. The physical model predicts
# everywhere, also in the half that nobody measured, and there the network can learn
# from it.

# %%
settings = hyco_jax.Settings(
    coefficients={
        "viscosity": hyco_jax.CoefficientSettings(
            kind="field", guess=2.0, bounds=(0.25, 6.0), smoothness_weight=1e-2
        )
    },
    synthetic=hyco_jax.SyntheticSettings(
        name="convnet",
        convnet=FiltersSettings(filters=(8,) if TINY else (16, 32, 64)),
        horizons=(0,),
    ),
    hybrid=hyco_jax.HybridSettings(
        cycles=2 if TINY else 12,
        warmup=0 if TINY else 1,
        steps_synthetic_to_physical=4,
    ),
    physical=hyco_jax.PhysicalSettings(
        num_iterations=5 if TINY else 40, generated_horizon=4
    ),
)

# %% [markdown]
# ## Train alone, and train together
#
# One call does all of it: `physical` alone, `synthetic` alone, and both together as
# `hybrid`. JAX compiles a program for each of the three first, and that takes longer
# than a cycle. The callback is called after every cycle with a dictionary of numbers.

# %%
losses = []


def show(line):
    losses.append(line)
    numbers = [
        f"{name.split('/')[0]} {value:.3g}"
        for name, value in line.items()
        if name.endswith("/loss_real")
    ]
    print(f"{line['stage']:9} cycle {line['cycle']:2}: loss", ", ".join(numbers))


result = hyco_jax.fit(problem, data, settings, callback=show)

# %% [markdown]
# ## Look at the result
#
# In the table, *nRMSE* is the relative error of a whole rollout from $t = 0$; *in* and
# *out* stand for the measured and the unmeasured part of the ring, and smaller is
# better everywhere but in the *valid time*.

# %%
display(Markdown(result.table()))
figures = {path.name: path for path in result.plot("figures")}
display(Image(figures["coefficient_viscosity.png"], width=700))
display(Image(figures["nrmse.png"], width=700))

# %% [markdown]
# Rollouts of all models of a simulation that no model has seen, as an animation:

# %%
display(Image(figures["rollout.gif"], width=800))

# %% [markdown]
# ## What cooperation gained, and what it did not
#
# Compare each model with itself: alone, and in the hybrid.


# %%
def compare(result, alone, together, column, what):
    before, after = result.rows[alone][column], result.rows[together][column]
    verdict = "smaller" if after < 0.95 * before else "the same within 5 %"
    verdict = "larger" if after > 1.05 * before else verdict
    print(f"{what}: {before:.3g} alone, {after:.3g} together: {verdict}.")


network = "synthetic_alone", "hybrid_synthetic"
solver = "physical_alone", "hybrid_physical"
compare(result, *network, "test/nrmse", "The network's error on unseen simulations")
compare(result, *network, "test/nrmse_outside", "The same where nobody measures")
compare(result, *solver, "test/nrmse", "The solver's error on unseen simulations")
compare(result, *solver, "coefficient_error", "The error of the viscosity")

# %% [markdown]
# What to expect: the network gains much, since its partner shows it the half that it
# cannot see. The solver gains little or nothing. Its equation is exact here, so that
# fitting it alone is hard to beat, and a network that predicts worse than the solver
# can only mislead it. This is why `alpha_physical` is small; `trust_power=1` lowers
# $\alpha$ further when a partner explains the data badly.
#
# ## Change α and see
#
# `alpha_synthetic` says how much the network listens. With 0 it does not listen at all.
# Change the number in the next cell and run it again.

# %%
ALPHA = 0.1  # @param {"type": "number"}

hybrid = dataclasses.replace(settings.hybrid, alpha_synthetic=ALPHA)
other = hyco_jax.fit(
    problem,
    data,
    dataclasses.replace(settings, hybrid=hybrid, baselines=False),
    callback=show,
)

# %%
column = "val/nrmse"
rows = {
    "alone": result.rows["synthetic_alone"][column],
    f"α = {ALPHA}": other.rows["hybrid_synthetic"][column],
    f"α = {settings.hybrid.alpha_synthetic}": result.rows["hybrid_synthetic"][column],
}
figure, axis = plt.subplots(figsize=(6, 2.2), layout="constrained")
axis.barh(list(rows), list(rows.values()), color="tab:blue")
axis.set(title="the network on the validation simulations", xlabel="nRMSE")
axis.invert_yaxis()
plt.show()

# %% [markdown]
# This compares on the *validation* simulations: α is a setting, and whoever chooses
# settings on the test simulations has no test any more.
#
# **Next:** `02_your_own_pde` has another equation in one cell, `03_your_own_data`
# starts from a CSV file, `04_library` takes the algorithm apart, and
# `05_gpu_tpu_resume` runs the full size on an accelerator.
