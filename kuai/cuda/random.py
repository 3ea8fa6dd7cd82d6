"""Where the draws of GPUs stand (``torch.cuda.random``): a seed, and how many draws were made."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import numpy as np

from ..devices import device as as_device
from ..ops.creation import from_array
from ..random.seeding import accelerator_stream
from ..tensor import Tensor
from . import _jax_device, device_count, manual_seed, manual_seed_all

__all__ = ["manual_seed", "manual_seed_all"]


def get_rng_state(device: object = "cuda") -> Tensor:
    """The state of a GPU's draws: the seed and the count, 16 bytes (``torch.cuda.get_rng_state``). RuntimeError without a GPU.

    >>> import kuai as torch
    >>> torch.cuda.get_rng_state().shape if torch.cuda.is_available() else torch.Size([16])
    torch.Size([16])
    """
    _jax_device(None if device == "cuda" else device)
    state = np.array([accelerator_stream.seed, accelerator_stream.count], np.uint64)
    return from_array(state.view(np.uint8).copy(), as_device("cpu"))


def get_rng_state_all() -> list[Tensor]:
    """The states of all GPUs (``torch.cuda.get_rng_state_all``).

    >>> import kuai as torch
    >>> len(torch.cuda.get_rng_state_all()) == torch.cuda.device_count()
    True
    """
    return [get_rng_state(i) for i in range(device_count())]


def set_rng_state(new_state: Tensor, device: object = "cuda") -> None:
    """Draw on from a state (``torch.cuda.set_rng_state``); all GPUs share one.

    >>> import kuai as torch
    >>> if torch.cuda.is_available(): torch.cuda.set_rng_state(torch.cuda.get_rng_state())
    """
    seed, count = new_state._array().astype(np.uint8).view(np.uint64).tolist()
    with accelerator_stream.lock:
        accelerator_stream.seed, accelerator_stream.count = seed, count


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Draw on from states, one a GPU (``torch.cuda.set_rng_state_all``).

    >>> import kuai as torch
    >>> torch.cuda.set_rng_state_all(torch.cuda.get_rng_state_all())
    """
    for i, state in enumerate(new_states):
        set_rng_state(state, i)


def initial_seed() -> int:
    """The seed of the current GPU's draws (``torch.cuda.initial_seed``). RuntimeError without a GPU.

    >>> import kuai as torch
    >>> torch.cuda.manual_seed(7)
    >>> torch.cuda.initial_seed() if torch.cuda.is_available() else 7
    7
    """
    _jax_device(None)
    return accelerator_stream.seed


def seed() -> None:
    """Seed the GPU's draws with a number that can't be foreseen (``torch.cuda.seed``).

    >>> import kuai as torch
    >>> torch.cuda.seed()
    """
    accelerator_stream.manual_seed(secrets.randbits(64))


seed_all = seed
