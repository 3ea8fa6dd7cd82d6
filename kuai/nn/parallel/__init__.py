"""A module on several GPUs of one process (``torch.nn.parallel``)."""

from ...wont import refusing
from .apply import parallel_apply as parallel_apply
from .apply import replicate as replicate
from .data_parallel import DataParallel as DataParallel
from .data_parallel import data_parallel as data_parallel
from .distributed import DistributedDataParallel as DistributedDataParallel
from .scattering import gather as gather
from .scattering import scatter as scatter
from .scattering import scatter_kwargs as scatter_kwargs

__getattr__ = refusing(__name__)
