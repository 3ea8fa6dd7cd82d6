"""Sparse tensors (``torch.sparse``).

>>> import kuai as torch
>>> a = torch.sparse_coo_tensor([[0, 1], [1, 0]], [2.0, 3.0], (2, 2))
>>> torch.sparse.mm(a, torch.eye(2))
tensor([[0., 2.],
        [3., 0.]])
"""

from ..wont import refusing
from .checks import check_sparse_tensor_invariants as check_sparse_tensor_invariants
from .functions import addmm, log_softmax, mm, softmax, spdiags, sum
from .sampling import sampled_addmm
from .typed import make as _make

globals().update(_make())
__all__ = ["addmm", "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm", "softmax", "spdiags", "sum"]

__getattr__ = refusing(__name__)
