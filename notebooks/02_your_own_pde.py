# %% [markdown]
# # Your own PDE
#
# An equation is one cell: a function that advances a state by one step, a function that
# draws initial states, and the names of what is not known. Everything else (simulated
# data, training alone and together, scores, figures) comes from the library. Here the
# equation is a population that grows and spreads, the one of Fisher and KPP:
#
# $$ \partial_t u = D\,\partial_{xx} u + r(x)\,u\,(1 - u), $$
#
# and the growth rate $r(x)$ is not known. Run the first two cells to see it.

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
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, Markdown, display

# Plain NumPy first: how such a population grows, on 64 cells of length 1.
x = np.arange(64) + 0.5
r = 1 + 0.5 * np.sin(np.pi / 32 * x)
u = [0.3 + 0.1 * np.cos(np.pi / 8 * x)]
for _ in range(20):
    laplacian = np.roll(u[-1], 1) - 2 * u[-1] + np.roll(u[-1], -1)
    u.append(u[-1] + 0.2 * (0.5 * laplacian + r * u[-1] * (1 - u[-1])))

figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
image = axes[0].imshow(u, origin="lower", aspect="auto", extent=(0, 64, 0, 4))
axes[0].set(title="a population u(x, t)", xlabel="x", ylabel="t")
figure.colorbar(image, ax=axes[0])
axes[1].plot(x, r, "k")
axes[1].set(
    title="its growth rate r(x), which we want to find", xlabel="x", ylim=(0, 2)
)
plt.show()

# %% [markdown]
# ## The equation, in one cell
#
# This is the cell to replace by your own. A state has the shape `(cells, channels)`, or
# `(cells, cells, channels)` in two dimensions. The step is differentiated, so it has to
# be made of `jax.numpy`, or of PhiFlow's operators as here; `fields.to_field` and
# `fields.to_array` translate.

# %%
import hyco_jax
from hyco_jax.grids import fields, sampling
from hyco_jax.grids.fields import flow


def make_step(domain, dt, upper):
    # `upper` has the largest value of each coefficient, for schemes that need it.
    def step(values, u):
        laplacian = fields.to_array(flow.field.laplace(fields.to_field(u, domain)))
        growth = values["growth"][:, None] * u * (1 - u)
        return u + dt * (0.5 * laplacian + growth)

    return step


def sample_u0(key, domain, num_samples):
    # Smooth random states of correlation length 4, around 0.3.
    return 0.3 + sampling.sample_u0(key, domain, num_samples, 4.0, 0.1, 1)


def true_values(domain):
    # For simulated data only. With data of your own, leave it out.
    return {"growth": 1 + 0.5 * np.sin(np.pi / 32 * domain.coordinates()[:, 0])}


problem = hyco_jax.Problem(
    domain=hyco_jax.Domain((64,), (64.0,)),
    dt=0.2,
    quantities=(hyco_jax.Quantity("u"),),
    roles={"growth": hyco_jax.Role(is_positive=True)},
    make_step=make_step,
    sample_u0=sample_u0,
    true_values=true_values,
)

# %% [markdown]
# ## Simulate, and observe a half
#
# `simulate` solves the equation on cells and steps that are `refine` times shorter,
# averages the result over the cells above, and adds noise to what lies in `region`. The
# state at $t = 0$ is known completely.

# %%
options = hyco_jax.DataSettings(
    num_steps=6 if TINY else 20,
    region=((0.25, 0.75),),
    noise_std=0.05,
    refine=2 if TINY else 4,
)
data = hyco_jax.simulate(problem, options, jax.random.key(0))

states, weights = data.observed.states, np.asarray(data.observed.weights)
seen = np.broadcast_to(weights > 0, states.shape)[0, :, :, 0]
figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", sharey=True)
for axis, values, title in [
    (axes[0], data.truth.states[0, :, :, 0], "the population u(x, t)"),
    (axes[1], np.where(seen, states[0, :, :, 0], np.nan), "what is observed of it"),
]:
    box = (0, 64, 0, options.num_steps * problem.dt)
    image = axis.imshow(values, origin="lower", aspect="auto", extent=box, vmin=0)
    axis.set(title=title, xlabel="x", ylabel="t")
figure.colorbar(image, ax=axes)
plt.show()

# %% [markdown]
# ## Train
#
# What you know about the unknown goes into its `kind`. A growth rate that varies slowly
# is a sum of few long waves (`fourier`); other kinds are `scalar`, `field` (a value for
# every cell), `bumps` and `knots`. `smoothness_weight` punishes what is rough: where
# nothing is observed, it is all that decides.
#
# The network is the synthetic model. `convnet` is small; `unet`, `resnet`, `fno` and
# `transformer` are others, and `hyco_jax.fit(..., network=module)` takes any Flax
# module.

# %%
settings = hyco_jax.Settings(
    coefficients={
        "growth": hyco_jax.CoefficientSettings(
            kind="fourier", guess=1.0, bounds=(0.1, 3.0), smoothness_weight=1e-2
        )
    },
    physical=hyco_jax.PhysicalSettings(generated_horizon=4 if TINY else 10),
    synthetic=hyco_jax.SyntheticSettings(name="convnet", horizons=(0,)),
    hybrid=hyco_jax.HybridSettings(
        cycles=1 if TINY else 5,
        warmup=1 if TINY else 2,
        steps_synthetic_to_physical=4 if TINY else 10,
    ),
)
result = hyco_jax.fit(
    problem,
    data,
    settings,
    callback=lambda line: print(line["stage"], "cycle", line["cycle"]),
)

# %% [markdown]
# ## Look

# %%
display(Markdown(result.table()))
figures = {path.name: path for path in result.plot("figures")}
display(Image(figures["coefficient_growth.png"], width=700))
display(Image(figures["fields_u.png"], width=800))

# %% [markdown]
# The result also holds the trained models. Both can be asked about any initial state;
# here, one of the test simulations.

# %%
sim = data.test[0]
u0 = data.truth.states[sim, 0]
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.plot(x, data.truth.states[sim, -1, :, 0], "k", label="truth")
for name, model in [("physical", result.physical), ("synthetic", result.synthetic)]:
    final = model.rollout(u0, options.num_steps)[-1, :, 0]
    axis.plot(x, final, "--", label=f"{name} model")
axis.set(title="the end of an unseen simulation", xlabel="x", ylabel="u")
axis.legend()
plt.show()

# %% [markdown]
# ## Make it yours
#
# 1. Write your step. Try it first: `jax.jit(make_step(domain, dt, {}))(values, u)` has
#    to return the shape that it was given, and finite numbers.
# 2. Name each unknown in `roles`: positive ones get bounds, signed ones have none. A
#    `Role` also says whether it is a vector field or a potential.
# 3. An explicit step is stable for small `dt` only. If the data come in longer steps,
#    make several substeps inside `step`.
# 4. With data of your own, leave out `true_values`, and pass
#    `hyco_jax.from_arrays(states)` in place of `simulate`: NaN where nobody measured.
#    Models are then scored on what was measured, since nobody knows the rest.
