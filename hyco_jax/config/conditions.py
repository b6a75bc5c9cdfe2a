"""When a setting is read: only while a sibling has one of some values."""

import shlex
from typing import Any, NamedTuple

from hyco_jax.config.rules import Rule


class Condition(NamedTuple):
    """What a key of the same dataclass must be for another key to be read.

    Attributes:
        sibling: That key.
        allowed: A `Rule`, a tuple of values, or one value that is no tuple.
    """

    sibling: str
    allowed: Any

    def holds(self, value: Any) -> bool:
        """Whether the sibling has an allowed value."""
        if isinstance(self.allowed, Rule):
            return self.allowed.allows(value)
        return value in self._options()

    def text(self) -> str:
        """The condition in words, for the help."""
        if isinstance(self.allowed, Rule):
            return f"{self.sibling} {self.allowed.text}"
        return f"{self.sibling}={' or '.join(map(repr, self._options()))}"

    def flag(self, prefix: str) -> str:
        """What to set on the command line for it to hold."""
        name = f"--config.{prefix}{self.sibling}"
        if isinstance(self.allowed, Rule):
            return f"{name} to {self.allowed.text}"
        options = " or ".join(shlex.quote(str(option)) for option in self._options())
        return f"{name}={options}"

    def _options(self) -> tuple:
        return self.allowed if isinstance(self.allowed, tuple) else (self.allowed,)


class Unmet(NamedTuple):
    """A condition that does not hold, and so keeps a key from being read.

    Attributes:
        condition: The condition.
        prefix: Dotted section of the sibling, such as "physical.".
        value: The sibling's value.
    """

    condition: Condition
    prefix: str
    value: Any

    def error(self, key: str, value: Any, default: Any) -> ValueError:
        """The error of a key that is set and would be ignored."""
        condition, prefix, sibling_value = self
        return ValueError(
            f"config.{key}={value!r} is not read with "
            f"{prefix}{condition.sibling}={sibling_value!r}; leave it at {default!r}, "
            f"or set {condition.flag(prefix)}"
        )
