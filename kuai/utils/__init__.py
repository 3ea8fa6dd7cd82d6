"""What programs need around a network: data, checkpoints of activations (``torch.utils``)."""

from . import data as data
