"""The older place of custom operators (``torch._custom_ops``)."""

from .library import custom_op as custom_op
from .library import get_ctx as get_ctx
from .library import impl as impl
from .library import impl_abstract as impl_abstract
