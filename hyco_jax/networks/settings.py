"""The settings of the synthetic model, and the model that they name."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from flax import linen as nn

from hyco_jax import networks
from hyco_jax.config import rules, schema
from hyco_jax.config.schema import key, section
from hyco_jax.grids import quantities as meanings
from hyco_jax.models.neural_field import neural_field
from hyco_jax.networks import convolution
from hyco_jax.networks import field as fields
from hyco_jax.networks.model import as_model
from hyco_jax.problem import Problem
from hyco_jax.types import Model

_FILTERS = rules.integers(1, 4096)
_WIDTH = rules.integer(1, 4096)
_DEPTH = rules.integer(1, 64)


@dataclasses.dataclass(frozen=True)
class UNetSettings:
    """Of `networks.UNet`."""

    levels: int = key(
        3, "number of resolutions, each half the one above", rules.integer(1, 16)
    )
    filters: int = key(24, "number of channels at full resolution", _WIDTH)
    doubling: bool = key(
        False, "whether each level has twice the channels of the one above", rules.FLAG
    )


@dataclasses.dataclass(frozen=True)
class FiltersSettings:
    """Of `networks.ResNet` and `networks.ConvNet`."""

    filters: tuple[int, ...] = key(
        (16, 32, 64), "number of channels of each block", _FILTERS
    )


@dataclasses.dataclass(frozen=True)
class FNOSettings:
    """Of `networks.FNO`."""

    modes: int = key(12, "number of waves that are kept along each axis", _WIDTH)
    width: int = key(24, "number of channels", _WIDTH)
    depth: int = key(4, "number of layers", _DEPTH)


@dataclasses.dataclass(frozen=True)
class TransformerSettings:
    """Of `networks.Transformer`."""

    patch: int = key(
        4, "number of cells of a patch along each axis", rules.integer(1, 256)
    )
    width: int = key(64, "number of channels", _WIDTH)
    depth: int = key(4, "number of layers", _DEPTH)
    heads: int = key(4, "number of attention heads", rules.integer(1, 256))


@dataclasses.dataclass(frozen=True)
class FieldSettings:
    """Of `networks.FieldNetwork`, a function of position and time."""

    widths: tuple[int, ...] = key(
        (128, 128, 128), "widths of its hidden layers", _FILTERS
    )
    activation: str = key(
        "tanh",
        "function between its layers; sine makes it a SIREN",
        rules.choice(*sorted(fields.ACTIVATIONS)),
    )
    normalise: bool = key(
        True,
        "whether values are scaled by mean and deviation of the training data",
        rules.FLAG,
    )
    scale: float = key(
        1.0,
        "factor of what it predicts, or adds to what is known, in standard "
        "deviations of the data if it normalises",
        rules.positive(),
    )
    space_octaves: int = key(
        0,
        "number of waves of each coordinate that are inputs: 1, 2, 4, ... periods",
        rules.integer(0, 12),
    )
    time_octaves: int = key(
        0,
        "number of waves of time that are inputs: 1, 2, 4, ... periods",
        rules.integer(0, 12),
    )
    space_range: float = key(
        1.0,
        "half the length to which the coordinates of a closed box are scaled as inputs",
        rules.positive(),
    )
    time_range: tuple[float, float] = key(
        (-1.0, 1.0),
        "interval to which the record's time is scaled as an input",
        rules.INTERVAL,
    )
    frequency: float = key(
        30.0,
        "frequency of the first layer",
        rules.positive(),
        when={"activation": "sine"},
    )


# What steps in time on the grid; else it is a field.
STEPPERS = tuple(sorted(networks.NETWORKS))
_STEPS = {"name": STEPPERS}


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """Which network the synthetic model is."""

    name: str = key(
        "unet",
        "network of the synthetic model; field is a function of position and time, "
        "the others make a step",
        rules.choice("field", *STEPPERS),
    )
    field: FieldSettings = section(FieldSettings, when={"name": "field"})
    unet: UNetSettings = section(UNetSettings, when={"name": "unet"})
    resnet: FiltersSettings = section(FiltersSettings, when={"name": "resnet"})
    convnet: FiltersSettings = section(FiltersSettings, when={"name": "convnet"})
    fno: FNOSettings = section(FNOSettings, when={"name": "fno"})
    transformer: TransformerSettings = section(
        TransformerSettings, when={"name": "transformer"}
    )
    activation: str = key(
        "gelu",
        "function between the layers",
        rules.choice(*sorted(networks.ACTIVATIONS)),
        when=_STEPS,
    )
    padding: str = key(
        "auto",
        "how convolutions go on at the sides; auto is CIRCULAR in a periodic box, "
        "SAME in a closed one",
        rules.choice("auto", *convolution.PADDINGS),
        when=_STEPS,
    )
    coordinates: bool = key(
        True, "whether input channels tell the position", rules.FLAG, when=_STEPS
    )
    residual: bool = key(
        True,
        "whether it predicts u + scale * network(u), else network(u)",
        rules.FLAG,
        when=_STEPS,
    )
    scale: float = key(
        1.0,
        "factor of the residual, where the fit starts if it is learned",
        rules.positive(),
        when={"residual": True, **_STEPS},
    )
    learn_scale: bool = key(
        False,
        "whether the factor of the residual is learned",
        rules.FLAG,
        when={"residual": True, **_STEPS},
    )
    normalise: bool = key(
        False,
        "whether states are scaled by mean and deviation of the observed training data",
        rules.FLAG,
        when=_STEPS,
    )
    precision: str = key(
        "default",
        "precision of matrix products on GPU and TPU",
        rules.choice(*convolution.PRECISIONS),
    )
    remat: bool = key(
        False,
        "whether steps are computed again in the backward pass, which saves memory "
        "and costs time",
        rules.FLAG,
        when=_STEPS,
    )


def make_model(
    settings: NetworkSettings,
    problem: Problem,
    normalisation: Mapping[str, np.ndarray] | None = None,
    record: Mapping[str, np.ndarray] | None = None,
    network: nn.Module | Model | None = None,
) -> Model:
    """Makes the synthetic model.

    Args:
        settings: Which network.
        problem: The physical system.
        normalisation: Statistics of the data, for a network that makes steps.
        record: What a field knows of the data, see `neural_field.make_record`.
        network: A module or a model that takes the place of the named one.

    Raises:
        ValueError: If the options don't fit each other or the grid.
    """
    if isinstance(network, Model):
        return network
    quantities, domain = problem.quantities, problem.domain
    if settings.name == "field":
        module = _make_field(settings, problem) if network is None else network
        return neural_field(module, domain, problem.dt, quantities, record)
    return as_model(
        _make_module(settings, problem) if network is None else network,
        domain,
        problem.dt,
        quantities,
        normalisation=normalisation,
        remat=settings.remat,
    )


def _make_field(settings, problem) -> fields.FieldNetwork:
    options = schema.to_dict(settings.field)
    del options["normalise"]  # The model does that.
    count = problem.num_channels - meanings.num_known(problem.quantities)
    return fields.FieldNetwork(
        count,
        problem.domain.ndim,
        problem.domain.periodic,
        # It adds to what is driven.
        starts_at_zero=problem.num_driven == count,
        precision=settings.precision,
        **options,
    )


def _make_module(settings, problem) -> networks.Network:
    domain, driven = problem.domain, problem.num_driven
    padding = settings.padding
    if padding == "auto":
        padding = "CIRCULAR" if domain.periodic else "SAME"
    if not domain.periodic and padding == "CIRCULAR":
        schema.fail("synthetic.padding", "CIRCULAR", "'SAME' in a closed box")
    return networks.make_network(
        settings.name,
        (*domain.resolution, problem.num_channels + driven),
        activation=settings.activation,
        padding=padding,
        coordinates=settings.coordinates,
        residual=settings.residual,
        scale=settings.scale,
        learn_scale=settings.learn_scale,
        precision=settings.precision,
        static=meanings.num_known(problem.quantities) + driven,
        **schema.to_dict(getattr(settings, settings.name)),
    )
