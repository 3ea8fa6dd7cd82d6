"""Linear algebra (``torch.linalg``).

>>> import kuai as torch
>>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([1., 1.]))
tensor([0.5000, 0.2500])
"""

from __future__ import annotations

from .arguments import check as _check
from .ops.factorizations import cholesky as cholesky
from .ops.factorizations import cholesky_ex as cholesky_ex
from .ops.factorizations import eig as eig
from .ops.factorizations import eigh as eigh
from .ops.factorizations import eigvals as eigvals
from .ops.factorizations import eigvalsh as eigvalsh
from .ops.factorizations import qr as qr
from .ops.factorizations import svd as svd
from .ops.factorizations import svdvals as svdvals
from .ops.householder import householder_product as householder_product
from .ops.ldl import ldl_factor as ldl_factor
from .ops.ldl import ldl_factor_ex as ldl_factor_ex
from .ops.ldl import ldl_solve as ldl_solve
from .ops.least_squares import lstsq as lstsq
from .ops.least_squares import matrix_rank as matrix_rank
from .ops.least_squares import pinv as pinv
from .ops.linalg import cond as cond
from .ops.linalg import det as det
from .ops.linalg import diagonal as diagonal
from .ops.linalg import linalg_cross, linalg_slogdet
from .ops.linalg import matrix_exp as matrix_exp
from .ops.linalg import matrix_power as matrix_power
from .ops.linalg import multi_dot as multi_dot
from .ops.linalg import norm as norm
from .ops.linalg import tensorinv as tensorinv
from .ops.linalg import tensorsolve as tensorsolve
from .ops.linalg import vander as vander
from .ops.linalg import vecdot as vecdot
from .ops.lu import lu as lu
from .ops.lu import lu_factor as lu_factor
from .ops.lu import lu_factor_ex as lu_factor_ex
from .ops.lu import lu_solve as lu_solve
from .ops.matrices import LinAlgError as LinAlgError
from .ops.matrix import matmul as matmul
from .ops.norms import matrix_norm as matrix_norm
from .ops.norms import vector_norm as vector_norm
from .ops.solvers import inv as inv
from .ops.solvers import inv_ex as inv_ex
from .ops.solvers import solve as solve
from .ops.solvers import solve_ex as solve_ex
from .ops.triangular import solve_triangular as solve_triangular
from .wont import refusing

cross, slogdet = linalg_cross, linalg_slogdet  # torch.cross and torch.slogdet differ from these

_check(globals())

__getattr__ = refusing(__name__)
