# %% [markdown]
# # Full size on a GPU or TPU, and going on after an interruption
#
# Burgers' equation in two dimensions, on 128² cells and 99 steps: the size of the
# HYCO-PhiFlow code that this library follows. It is meant for an accelerator. Colab's
# runtimes end when they like; a run with a `workdir` is saved after every cycle, and
# the same call goes on where it stopped (on a CPU to the same bits).
#
# In Colab, choose *Runtime > Change runtime type* and a GPU or TPU first. The first
# cell fails if JAX does not find what that runtime promises. The picture below shows
# the flow that is learned.

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
import shutil

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, Markdown, display

import hyco_jax
from hyco_jax.networks.settings import UNetSettings
from hyco_jax.pde import burgers
from hyco_jax.running.loop import OutOfTime

cells, steps = (16, 4) if TINY else (128, 99)
grid = burgers.Settings(
    resolution=(cells, cells),
    extent=(100.0, 100.0),
    dt=0.1,
    scheme="semi_lagrangian",
    viscosity_offset=0.0,
    viscosity_scale=1.0,
)
options = hyco_jax.DataSettings(
    num_sims=3 if TINY else 6,
    num_steps=steps,
    train_sim=(0, 1) if TINY else (0, 1, 2, 3, 4),
    val_sim=(2,) if TINY else (5,),
    region=((0.0, 1.0), (0.0, 1.0)),
    noise_std=0.0,
    refine=1,
)
problem = burgers.make_problem(grid, options)
data = hyco_jax.simulate(problem, options, jax.random.key(0))

states = data.truth.states[0]
speed = np.linalg.norm(states, axis=-1)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for axis, values, title in [
    (axes[0], speed[0], "speed at the start"),
    (axes[1], speed[-1], f"speed at t = {steps * grid.dt:g}"),
    (axes[2], data.truth.coefficients["viscosity"], "viscosity ν, unknown"),
]:
    image = axis.imshow(values.T, origin="lower", extent=(0, 100, 0, 100))
    axis.set(title=title, xlabel="x", ylabel="y")
    figure.colorbar(image, ax=axis)
plt.show()

# %% [markdown]
# The equation is
# $\partial_t u + (u \cdot \nabla) u = \nabla \cdot (\nu(x) \nabla u)$
# with two components of $u$. Data are simulated once, on the CPU in double precision,
# whatever the device is; the same key gives the same data in every runtime.
#
# ## Is the accelerator there?

# %%
for device in jax.devices():
    print(device, "|", device.device_kind)
if jax.default_backend() == "cpu" and not TINY:
    print(
        "This is a CPU. What follows works here too, but slowly at full size: "
        "choose another runtime, or set TINY = True in the first cell."
    )
size = 256 if TINY else 4096
matrix = jnp.ones((size, size))
product = jax.jit(lambda a: a @ a)
product(matrix).block_until_ready()
# %timeit product(matrix).block_until_ready()

# %% [markdown]
# ## Settings
#
# They are those of the `128` variant in `configs/burgers.py`: windows of one step, a
# UNet of four levels, three iterations of L-BFGS in a cycle. `window_chunk` bounds the
# memory of the solver's gradient, `batch_chunk` could do the same for the network's.
# By the compiler's analysis a cycle needs 3.3 GiB of temporary memory, so that a card
# of 16 GB has room.

# %%
unet = UNetSettings(levels=2, filters=4) if TINY else UNetSettings(levels=4, filters=64)
settings = hyco_jax.Settings(
    mode="hybrid",
    baselines=False,
    coefficients={
        "viscosity": hyco_jax.CoefficientSettings(
            kind="field", guess=1.0, bounds=(0.0, 2.0)
        )
    },
    physical=hyco_jax.PhysicalSettings(
        horizon=2 if TINY else 10,
        generated_horizon=2 if TINY else 10,
        abs_tol=1e-6,
        window_chunk=16,
        num_iterations=3,
    ),
    synthetic=hyco_jax.SyntheticSettings(
        name="unet",
        unet=unet,
        activation="relu",
        coordinates=False,
        horizons=(1,),
        generated_horizon=1,
        num_epochs=1 if TINY else 5,
        learning_rate=1e-4,
        num_real=2 if TINY else 8,
        batch_size=4 if TINY else 16,
    ),
    hybrid=hyco_jax.HybridSettings(
        cycles=2 if TINY else 20,
        warmup=0,
        alpha_synthetic=0.5,
        alpha_physical=0.5,
        num_physical_to_synthetic=2 if TINY else 6,
        num_synthetic_to_physical=2 if TINY else 6,
        steps_physical_to_synthetic=4 if TINY else 10,
        steps_synthetic_to_physical=4 if TINY else 10,
    ),
)

# %% [markdown]
# ## Train, stop, go on
#
# Keep the `workdir` on the runtime's own disk. A checkpoint is written beside the old
# one and then renamed; on a mounted Drive a rename is not atomic, and a run that is
# killed in that moment may lose both.
#
# `max_minutes` ends the call in time, saved. The next cell gives it no time at all, so
# that it stops after its first cycle, as if the runtime had been lost.

# %%
WORKDIR = "runs/burgers128"


def show(line):
    print(
        "cycle", line["cycle"], f"synthetic {line['synthetic/loss_real']:.3g}", end=""
    )
    print(f", physical {line['physical/loss_real']:.3g}")


try:
    hyco_jax.fit(problem, data, settings, WORKDIR, callback=show, max_minutes=0.001)
except OutOfTime as stop:
    print(stop)

# %% [markdown]
# **Kill the runtime now, if you like** (*Runtime > Restart session*; after *Disconnect
# and delete* the disk is gone as well). Then run all cells above but the last one, and
# the next. It reads the newest checkpoint, checks that data and settings are the same,
# and goes on with cycle 2. Programs that were compiled before are compiled again.

# %%
result = hyco_jax.fit(problem, data, settings, WORKDIR, callback=show)
display(Markdown(result.table()))

# %%
figures = Path(WORKDIR, "figures")
display(Image(figures / "coefficient_viscosity.png", width=800))
display(Image(figures / "fields_velocity.png", width=800))

# %% [markdown]
# Run the last call again and it returns at once: a finished run is loaded, not trained.
# `hyco_jax.load(WORKDIR)` does the same without the data.

# %%
again = hyco_jax.load(WORKDIR)
print(sorted(again.trained), "after", dict(again.cycles), "cycles")

# %% [markdown]
# ## Take it home
#
# One archive of the finished run, copied in one piece. Set `TO_DRIVE` to copy it to
# your Drive; Colab then asks for permission.

# %%
TO_DRIVE = False  # @param {"type": "boolean"}

archive = Path(shutil.make_archive("burgers128", "zip", WORKDIR))
print(archive.name, f"{archive.stat().st_size / 2**20:.1f} MiB")
if TO_DRIVE:
    from google.colab import drive

    drive.mount("/content/drive")
    shutil.copy(archive, "/content/drive/MyDrive")
