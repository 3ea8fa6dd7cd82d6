"""Chance (``torch.random``): PyTorch's random streams on the CPU, bit for bit, from NumPy alone."""

from .generator import Generator as Generator
from .generator import default_generator as default_generator
from .seeding import fork_rng as fork_rng
from .seeding import get_rng_state as get_rng_state
from .seeding import initial_seed as initial_seed
from .seeding import manual_seed as manual_seed
from .seeding import seed as seed
from .seeding import set_rng_state as set_rng_state


def __getattr__(name: str) -> object:
    """The streams, which are imported at the first draw."""
    if name != "streams":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"{__name__}.streams")
