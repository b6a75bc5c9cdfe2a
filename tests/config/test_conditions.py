"""Keys that a setting of their siblings keeps from being read are refused."""

import dataclasses

import pytest

from hyco_jax.config import schema
from hyco_jax.config.rules import choice, integer, not_negative, positive
from hyco_jax.config.schema import key, section


@dataclasses.dataclass(frozen=True)
class UNet:
    levels: int = key(3, "halvings", integer(1, 8))
    filters: int = key(24, "channels", integer(1, 4096))


@dataclasses.dataclass(frozen=True)
class Synthetic:
    name: str = key("unet", "network", choice("unet", "resnet"))
    unet: UNet = section(UNet, when={"name": "unet"})


@dataclasses.dataclass(frozen=True)
class Physical:
    method: str = key("lbfgs", "optimiser", choice("lbfgs", "adam", "sgd"))
    learning_rate: float = key(
        1e-2, "step size", positive(1.0), when={"method": ("adam", "sgd")}
    )
    decay: str = key(
        "none", "of the step size", choice("none", "power"), when={"method": "adam"}
    )
    power: float = key(0.5, "of the decay", positive(4.0), when={"decay": "power"})
    trust_power: float = key(0.0, "power of trust", not_negative(8.0))
    held_out: float = key(
        0.1, "part of a record", positive(0.5), when={"trust_power": positive()}
    )


@dataclasses.dataclass(frozen=True)
class Settings:
    physical: Physical = section(Physical)
    synthetic: Synthetic = section(Synthetic)


def changed(values, template=None):
    return schema.from_dict(template or Settings(), values)


def error(values, template=None):
    with pytest.raises(ValueError) as info:
        changed(values, template)
    return str(info.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"physical": {"learning_rate": 0.1}},
            "config.physical.learning_rate=0.1 is not read with "
            "physical.method='lbfgs'; leave it at 0.01, "
            "or set --config.physical.method=adam or sgd",
        ),
        (
            {"synthetic": {"name": "resnet", "unet": {"filters": 16}}},
            "config.synthetic.unet.filters=16 is not read with "
            "synthetic.name='resnet'; leave it at 24, "
            "or set --config.synthetic.name=unet",
        ),
        (
            {"physical": {"held_out": 0.2}},
            "config.physical.held_out=0.2 is not read with "
            "physical.trust_power=0.0; leave it at 0.1, "
            "or set --config.physical.trust_power to a number from 1e-12 to 1e+12",
        ),
        (
            {"physical": {"power": 2.0}},
            "config.physical.power=2.0 is not read with physical.decay='none'; "
            "leave it at 0.5, or set --config.physical.decay=power",
        ),
    ],
    ids=["key", "section", "rule", "chain"],
)
def test_a_key_that_would_be_ignored_is_refused(values, text):
    assert error(values) == text


def test_a_key_is_not_read_if_its_sibling_is_not():
    @dataclasses.dataclass(frozen=True)
    class Chain:
        a: str = key("off", "first", choice("on", "off"))
        b: int = key(1, "second", integer(0, 1), when={"a": "on"})
        c: int = key(0, "third", integer(0, 9), when={"b": 1})

    schema.check(Chain(a="on", c=5))
    with pytest.raises(ValueError) as info:
        schema.check(Chain(c=5))
    assert str(info.value) == (
        "config.c=5 is not read with a='off'; leave it at 0, or set --config.a=on"
    )


def test_a_read_key_may_have_any_allowed_value():
    physical = {"method": "sgd", "learning_rate": 0.5, "trust_power": 1}
    physical |= {"held_out": 0.2}
    assert changed({"physical": physical}).physical.learning_rate == 0.5


def test_what_a_template_sets_for_a_revoked_choice_falls_back_to_its_default():
    template = changed({"synthetic": {"unet": {"filters": 16}}})
    for values in ({}, schema.to_dict(template)["synthetic"]):
        settings = changed({"synthetic": values | {"name": "resnet"}}, template)
        assert settings.synthetic == Synthetic("resnet")
    values = {"name": "resnet", "unet": {"filters": 8}}
    assert "config.synthetic.unet.filters=8 is not read" in error(
        {"synthetic": values}, template
    )


def test_the_help_says_when_a_key_is_read():
    text = schema.describe(Settings())
    docs = {line.split()[0]: line.rpartition("  ")[2] for line in text.splitlines()}
    assert docs["synthetic.unet.levels"] == "halvings (only with name='unet')"
    assert docs["physical.learning_rate"] == (
        "step size (only with method='adam' or 'sgd')"
    )
    assert docs["physical.held_out"] == (
        "part of a record (only with trust_power a number from 1e-12 to 1e+12)"
    )


def test_a_subclass_may_give_a_section_other_defaults():
    @dataclasses.dataclass(frozen=True)
    class Wide(Settings):
        synthetic: Synthetic = dataclasses.field(
            default_factory=lambda: Synthetic(unet=UNet(filters=64))
        )

    settings = changed({"synthetic": {"name": "resnet"}}, Wide())
    assert settings.synthetic.unet.filters == 64
    assert "leave it at 64" in error(
        {"synthetic": {"name": "resnet", "unet": {"filters": 24}}}, Wide()
    )
