"""Events for TensorBoard (``torch.utils.tensorboard``), written by the package ``tensorboard``; without it ModuleNotFoundError."""

from .writer import FileWriter as FileWriter
from .writer import SummaryWriter as SummaryWriter
