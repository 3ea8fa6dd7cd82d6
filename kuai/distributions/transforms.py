"""Invertible functions with the logarithm of their derivative's size (``torch.distributions.transforms``).

>>> import kuai as torch
>>> from kuai.distributions import transforms
>>> double = transforms.AffineTransform(1., 2.)
>>> double(torch.tensor(3.)), double.inv(torch.tensor(7.))
(tensor(7.), tensor(3.))
"""

from .transform import ComposeTransform as ComposeTransform
from .transform import IndependentTransform as IndependentTransform
from .transform import ReshapeTransform as ReshapeTransform
from .transform import Transform as Transform
from .transform import _InverseTransform as _InverseTransform
from .transform import identity_transform as identity_transform
from .transform_elements import AbsTransform as AbsTransform
from .transform_elements import AffineTransform as AffineTransform
from .transform_elements import CumulativeDistributionTransform as CumulativeDistributionTransform
from .transform_elements import ExpTransform as ExpTransform
from .transform_elements import PowerTransform as PowerTransform
from .transform_elements import SigmoidTransform as SigmoidTransform
from .transform_elements import SoftplusTransform as SoftplusTransform
from .transform_elements import TanhTransform as TanhTransform
from .transform_elements import clipped_sigmoid as _clipped_sigmoid  # noqa: F401 (what packages import)
from .transform_vectors import CatTransform as CatTransform
from .transform_vectors import CorrCholeskyTransform as CorrCholeskyTransform
from .transform_vectors import LowerCholeskyTransform as LowerCholeskyTransform
from .transform_vectors import PositiveDefiniteTransform as PositiveDefiniteTransform
from .transform_vectors import SoftmaxTransform as SoftmaxTransform
from .transform_vectors import StackTransform as StackTransform
from .transform_vectors import StickBreakingTransform as StickBreakingTransform

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform",
    "CumulativeDistributionTransform", "ExpTransform", "IndependentTransform", "LowerCholeskyTransform",
    "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform", "SigmoidTransform", "SoftmaxTransform", "SoftplusTransform",
    "StackTransform", "StickBreakingTransform", "TanhTransform", "Transform", "identity_transform",
]  # fmt: skip
