"""Mixed precision (``torch.amp``)."""

from ..wont import refusing
from .autocast import autocast as autocast
from .autocast import custom_bwd as custom_bwd
from .autocast import custom_fwd as custom_fwd
from .autocast import is_autocast_available as is_autocast_available
from .grad_scaler import GradScaler as GradScaler

__getattr__ = refusing(__name__)
