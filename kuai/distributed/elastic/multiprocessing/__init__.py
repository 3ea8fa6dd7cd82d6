"""What PyTorch's launcher needs of a process (``torch.distributed.elastic.multiprocessing``)."""

from .errors import record as record
