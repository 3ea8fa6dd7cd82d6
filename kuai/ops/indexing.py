"""Elements by mask and by index: reading them, and putting others there."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..dtypes import int64
from ..tensor import Tensor, from_array
from . import rules, taking
from .define import write_out
from .subscript import getitem, setitem
from .taking import fill_where, put_at, take_at

METHODS = ()
INPLACE = ()
METHODS_EXTRA = {"__getitem__": getitem, "__setitem__": setitem}
