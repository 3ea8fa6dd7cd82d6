"""Functions of functions that PyTorch's compiler knows (``torch._higher_order_ops``); here they run as Python."""

from .associative_scan import associative_scan as associative_scan
