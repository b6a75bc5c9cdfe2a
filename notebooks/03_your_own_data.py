# %% [markdown]
# # Your own data
#
# From a CSV file to the score of a sensor that no model has seen. The file holds a year
# of soil temperatures at five depths. Between the uppermost and the lowest sensor, heat
# diffuses,
#
# $$ \partial_t u = \partial_z \bigl(D\,\partial_z u\bigr), $$
#
# and the diffusivity $D$ of the soil is not known. The sensor at 20 cm is held out: how
# well do the models predict it? Run the first two cells to see the data.

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
import pandas as pd
from IPython.display import Image, Markdown, display

import hyco_jax
from hyco_jax.networks.settings import FieldSettings
from hyco_jax.pde import soil

NAME = "soil_temperature.csv"
places = [Path(NAME)]
places += [Path(top, "experiments/data", NAME) for top in ("..", "hyco_jax_source")]
found = [place for place in places if place.exists()]
assert found, (
    f"none of {[*map(str, places)]} exists: put {NAME}, which is in the folder "
    "experiments/data of the repository of hyco_jax, beside the notebook"
)
wide = pd.read_csv(found[0], parse_dates=["date"])
wide = wide[wide["station"] == 53877]
if TINY:
    wide = wide[:40]

DEPTHS = (5, 10, 20, 50, 100)  # cm
figure, axis = plt.subplots(figsize=(10, 3.2), layout="constrained")
for i, depth in enumerate(DEPTHS):
    color = plt.cm.viridis(i / len(DEPTHS))
    style = "--" if depth == 20 else "-"
    line = wide[f"temperature_{depth}cm"]
    axis.plot(wide["date"], line, style, color=color, lw=1.2, label=f"{depth} cm")
axis.set(title="soil temperature; the dashed one is held out", ylabel="°C")
figure.legend(loc="outside lower center", ncols=5)
plt.show()

# %% [markdown]
# ## The table
#
# A row for each day, and a column for each depth. The data are from the U.S. Climate
# Reference Network (NOAA). To use a file of your own, put it beside the notebook and
# change the names above.

# %%
wide.head()

# %% [markdown]
# The deeper a sensor, the later and the weaker it feels a warm day. How much later and
# weaker tells the diffusivity.
#
# ## From the table to observations
#
# `hyco_jax.from_points` wants a row for each place and time: position, time, and what
# was read there. Times are numbers in the unit of the model's time step, here seconds.
# Rows may lack values, sensors may move, times may be irregular; none of that occurs
# here.

# %%
tables = [
    pd.DataFrame(
        {
            "depth": depth / 100,
            "time": (wide["date"] - wide["date"].min()).dt.total_seconds(),
            "sensor": f"{depth} cm",
            "temperature": wide[f"temperature_{depth}cm"],
        }
    )
    for depth in DEPTHS
]
table = pd.concat(tables, ignore_index=True)

# The profile of the first day is interpolated from five readings, so the first ten days
# tell little about the soil: of these days, only the ends of the column are used.
ends = table["sensor"].isin(["5 cm", "100 cm"])
day = table["time"] / soil.DAY
table = table[ends | (day == 0) | (day >= 10)]

data = hyco_jax.from_points(
    table,
    coords=("depth", "time"),
    values=("temperature",),
    sensor="sensor",
    hold_out=("20 cm",),
    origin=(0.05, 0.0),  # where the model's column begins: the depth of 5 cm
    units={"temperature": "°C"},
)
print(data)

# %% [markdown]
# Read this description before you train anything: it says what was understood of the
# table, and what is held out. Errors of a table (a time that is missing, a sensor that
# reads twice) are found here and not after an hour of training.
#
# ## The models
#
# The physical model is a column of soil from 5 to 100 cm, driven by the two sensors at
# its ends. The synthetic model is a network $(z, t) \mapsto u$, a *field*: it needs no
# grid. Each asks the other for its opinion at *ghost points*, places and times at which
# nobody measured and which are drawn afresh in each cycle.
#
# The settings are those of the project's soil experiment. They were chosen with the
# sensors at 10 and 50 cm only, so that the sensor at 20 cm stays a fair test.

# %%
problem = soil.make_problem()
cycles, calls = (6, 3) if TINY else (300, 50)
settings = hyco_jax.Settings(
    coefficients={
        "diffusivity": hyco_jax.CoefficientSettings(guess=5e-7, bounds=(1e-8, 5e-6))
    },
    physical=hyco_jax.PhysicalSettings(
        method="adam",
        num_iterations=1,
        learning_rate=3e-2,
        scheduler="cosine",
        keep_best=False,
    ),
    synthetic=hyco_jax.SyntheticSettings(
        name="field",
        field=FieldSettings(
            widths=(16,) if TINY else (128, 128, 128), time_octaves=7, scale=0.3
        ),
        learning_rate=2e-3,
        clip_norm=0.0,
        num_epochs=1,
        updates_per_epoch=10,
        batch_size=80 if TINY else 1300,
        num_real=40 if TINY else 740,
    ),
    hybrid=hyco_jax.HybridSettings(
        cycles=cycles,
        warmup=0,
        cycles_per_call=calls,
        alpha_synthetic=5.0,
        alpha_physical=0.1,
        ghost_points=64 if TINY else 512,
    ),
    eval_every=calls,
    save_every=calls,
)


def show(line):
    if line["cycle"] % calls == 0:
        print(line["stage"], "cycle", line["cycle"], "of", cycles)


result = hyco_jax.fit(problem, data, settings, callback=show)

# %% [markdown]
# ## The held-out sensor
#
# The row *interpolation* is what anyone could do without a model: interpolate between
# the other sensors. A model is worth its name if it does better on what was *held out*.

# %%
display(Markdown(result.table()))
print(f"diffusivity: {float(result.coefficients['diffusivity']):.3g} m²/s")

# %%
figures = {path.name: path for path in result.plot("figures")}
display(Image(figures["series_temperature.png"], width=900))
display(Image(figures["errors_temperature.png"], width=700))

# %%
column = "held_out/rmse"
errors = {name: row[column] for name, row in result.rows.items() if column in row}
best = min(errors, key=errors.get)
for name, error in errors.items():
    print(f"{name.replace('_', ' '):17} {error:.3f} °C", "<- smallest" * (name == best))

# %% [markdown]
# ## Make it yours
#
# - **Which sensors to hold out.** Name them, or give a share: `hold_out=0.2` draws a
#   fifth of the sensors. With `by="time"` whole times are held out instead.
# - **Noise.** If you know how far a reading is off, say so: `sigma=0.1`, or the name of
#   a column. The losses then count in standard deviations, and 1 means *explained*.
# - **Choosing settings.** Choose them by sensors that you do not report. Whoever looks
#   at the held-out sensor to choose a learning rate has trained on it.
# - **Data on a grid** come from `hyco_jax.from_arrays` (NaN where nobody measured) or
#   `hyco_jax.from_grid` (netCDF, Zarr, HDF5). The equation is your own file, see
#   `02_your_own_pde`.
