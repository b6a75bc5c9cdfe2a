"""What follows mechanically from settings: checks, errors, conversions, the help."""

import dataclasses
import json
import subprocess
import sys

import pytest
from flax import traverse_util
from ml_collections import ConfigDict

from hyco_jax.config import schema
from hyco_jax.config.rules import (
    BOUNDS_OR_NONE,
    EXTENT,
    POINTS,
    choice,
    integer,
    integers,
    number,
    positive,
)
from hyco_jax.config.schema import key, mapping, section


@dataclasses.dataclass(frozen=True)
class UNet:
    levels: int = key(3, "halvings of the grid", integer(1, 8))
    filters: int = key(24, "channels", integer(1, 4096))


@dataclasses.dataclass(frozen=True)
class Synthetic:
    name: str = key("unet", "network", choice("unet", "resnet"))
    unet: UNet = section(UNet, when={"name": "unet"})
    horizons: tuple[int, ...] = key((10, 50), "steps of windows", integers(1, 10**4))


@dataclasses.dataclass(frozen=True)
class Physical:
    method: str = key("lbfgs", "optimiser", choice("lbfgs", "adam"))
    learning_rate: float = key(
        1e-2, "step size", positive(1.0), when={"method": "adam"}
    )


@dataclasses.dataclass(frozen=True)
class Coefficient:
    guess: float = key(0.0, "initial value", number())
    bounds: tuple[float, ...] = key((), "of its values", BOUNDS_OR_NONE)
    centers: tuple[tuple[float, ...], ...] = key((), "of bumps", POINTS)


@dataclasses.dataclass(frozen=True)
class Grid:
    dt: float = key(0.5, "time step", positive(1e3))
    extent: tuple[float, ...] = key((64.0,), "lengths", EXTENT)


@dataclasses.dataclass(frozen=True)
class Burgers(Grid):
    dt: float = 0.25
    substeps: int = key(0, "of the diffusion", integer(0, 1000))


@dataclasses.dataclass(frozen=True)
class Settings:
    seed: int = key(0, "of all randomness", integer(0, 2**31 - 1))
    pde: Grid = section(Grid)
    coefficients: dict[str, Coefficient] = mapping()
    physical: Physical = section(Physical)
    synthetic: Synthetic = section(Synthetic)


TEMPLATE = Settings(
    pde=Burgers(),
    coefficients={"viscosity": Coefficient(2.0, (0.25, 6.0), ((1.0, 2.0),))},
)


def changed(values, template=TEMPLATE):
    return schema.from_dict(template, values)


def error(values, template=TEMPLATE):
    with pytest.raises(ValueError) as info:
        changed(values, template)
    return str(info.value)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"seed": 7, "pde": {"substeps": 3, "extent": (2.0, 3.0)}},
        {"synthetic": {"name": "resnet"}},
        {"physical": {"method": "adam", "learning_rate": 1}},
        {"coefficients": {"viscosity": {"centers": ((0.5,), (1.5,))}}},
    ],
)
def test_settings_survive_json_and_configdict(values):
    settings = changed(values)
    nested = schema.to_dict(settings)
    assert changed(json.loads(json.dumps(nested))) == settings
    assert changed(schema.to_config(settings)) == settings
    assert changed({}, settings) == settings
    hash(settings.pde)


def test_a_configdict_can_be_changed_as_the_command_line_does():
    config = schema.to_config(TEMPLATE)
    config.coefficients.viscosity.bounds = ()
    config.coefficients.viscosity.guess = 3
    config.synthetic.horizons = (5, 5, 20)
    settings = changed(config)
    assert settings.coefficients["viscosity"] == Coefficient(3.0, (), ((1.0, 2.0),))
    assert settings.synthetic.horizons == (5, 5, 20)
    assert type(settings.pde) is Burgers


def test_integers_become_floats_in_nested_tuples_too():
    values = {"guess": 2, "bounds": [0, 6], "centers": [[1, 2], [3, 4]]}
    settings = changed({"pde": {"dt": 1}, "coefficients": {"viscosity": values}})
    viscosity = settings.coefficients["viscosity"]
    numbers = [settings.pde.dt, viscosity.guess, *viscosity.bounds]
    numbers += [x for center in viscosity.centers for x in center]
    assert [type(x) for x in numbers] == [float] * 8
    assert numbers == [1, 2, 0, 6, 1, 2, 3, 4]


def test_flat_names_are_dotted():
    flat = traverse_util.flatten_dict(schema.to_dict(TEMPLATE), sep=".")
    assert flat["coefficients.viscosity.bounds"] == (0.25, 6.0)
    assert flat["synthetic.unet.levels"] == 3


def test_a_subclass_adds_keys_and_changes_defaults():
    assert list(schema.to_dict(Burgers())) == ["dt", "extent", "substeps"]
    assert Burgers().dt == 0.25
    assert error({"pde": {"dt": 0}}) == (
        "config.pde.dt=0.0 is not allowed: expected a number from 1e-12 to 1000; "
        "set --config.pde.dt"
    )


def test_an_error_names_key_value_rule_and_flag():
    assert error({"synthetic": {"unet": {"levels": 0}}}) == (
        "config.synthetic.unet.levels=0 is not allowed: expected an integer from 1 to "
        "8; set --config.synthetic.unet.levels"
    )
    with pytest.raises(ValueError) as info:
        schema.check(UNet(filters=0), "synthetic.unet.")
    assert str(info.value) == (
        "config.synthetic.unet.filters=0 is not allowed: expected an integer from 1 to "
        "4096; set --config.synthetic.unet.filters"
    )


def test_settings_made_in_python_are_checked():
    schema.check(Settings(pde=Grid(dt=1)))
    with pytest.raises(ValueError, match=r"config\.seed='0' is not allowed"):
        schema.check(Settings(seed="0"))
    with pytest.raises(ValueError) as info:
        schema.check(Settings(coefficients={"viscosity": 2.0}))
    assert str(info.value) == (
        "config.coefficients.viscosity=2.0 is not allowed: expected a section of "
        "settings; give an instance of its dataclass"
    )


def test_a_value_in_the_place_of_a_section_is_refused_and_a_section_of_a_value():
    assert error({"synthetic": {"unet": 3}}) == (
        "config.synthetic.unet=3 is not allowed: expected a section with the keys "
        "['levels', 'filters']; set --config.synthetic.unet"
    )
    assert "config.seed={'a': 1} is not allowed" in error({"seed": {"a": 1}})


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"physical": {"metod": "adam"}},
            "config.physical.metod is not a key: did you mean method?",
        ),
        (
            {"coefficients": {"viscosty": {}}},
            "config.coefficients.viscosty is not a key: did you mean viscosity?",
        ),
        (
            {"synthetic": {"unet": {"xyz": 1}}},
            "config.synthetic.unet.xyz is not a key: expected one of "
            "['levels', 'filters']",
        ),
        (
            {"sead": 1},
            "config.sead is not a key: did you mean seed?",
        ),
    ],
)
def test_an_unknown_key_is_named_with_close_ones(values, text):
    assert error(values) == text
    assert error(ConfigDict(values)) == text


def test_fail_raises_the_error_of_checks_between_keys():
    with pytest.raises(ValueError) as info:
        schema.fail("data.val_sim", (1,), "none of data.train_sim")
    assert str(info.value) == (
        "config.data.val_sim=(1,) is not allowed: expected none of data.train_sim; "
        "set --config.data.val_sim"
    )


def test_the_help_has_one_line_for_every_key():
    lines = schema.describe(TEMPLATE).splitlines()
    names = [line.split()[0] for line in lines]
    assert names == list(traverse_util.flatten_dict(schema.to_dict(TEMPLATE), sep="."))
    assert len(set(names)) == len(names) == 13


def test_a_line_of_the_help_says_default_rule_documentation_and_condition():
    lines = schema.describe(TEMPLATE).splitlines()
    cells = {
        line.split()[0]: [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in lines
    }
    assert cells["pde.dt"][1:] == ["0.25", "a number from 1e-12 to 1000", "time step"]
    assert cells["synthetic.unet.levels"][3] == (
        "halvings of the grid (only with name='unet')"
    )
    assert cells["coefficients.viscosity.guess"][1] == "2.0"
    columns = {line.index(cells[line.split()[0]][2]) for line in lines}
    assert len(columns) == 1


def test_settings_need_no_jax():
    code = (
        "import sys; from hyco_jax.config import schema; "
        "sys.exit(any(m in sys.modules for m in ('jax', 'phi', 'flax')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
