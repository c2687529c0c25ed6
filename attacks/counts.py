"""Settings that count something: steps, iterations, classes."""

from numbers import Integral


def require_count(name: str, value: object, least: int) -> None:
    """Raise ``ValueError`` unless a setting is a whole number and not below what it may be at least."""
    # A float with a fraction would be cut off silently somewhere below.
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"expected {name} to be a whole number of at least {least}, got {value!r}")
