"""Probability distributions (``torch.distributions``)."""

from . import constraints as constraints
from . import kl as kl
from .continuous import Cauchy as Cauchy
from .continuous import Exponential as Exponential
from .continuous import Laplace as Laplace
from .continuous import Normal as Normal
from .continuous import Uniform as Uniform
from .discrete import Bernoulli as Bernoulli
from .discrete import Binomial as Binomial
from .discrete import Categorical as Categorical
from .discrete import Geometric as Geometric
from .discrete import Multinomial as Multinomial
from .discrete import OneHotCategorical as OneHotCategorical
from .discrete import Poisson as Poisson
from .distribution import Distribution as Distribution
from .distribution import Independent as Independent
from .gamma import Beta as Beta
from .gamma import Chi2 as Chi2
from .gamma import Dirichlet as Dirichlet
from .gamma import Gamma as Gamma
from .kl import kl_divergence as kl_divergence
from .kl import register_kl as register_kl
from .multivariate_normal import MultivariateNormal as MultivariateNormal
