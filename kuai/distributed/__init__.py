"""A group of one process (``torch.distributed``): programs that ask for their rank run as they do on one machine.

Collectives of one process give what they were given. A larger world needs communication, which is not there.

>>> import kuai as torch
>>> from kuai import distributed as dist
>>> dist.is_initialized()
False
"""

from importlib import import_module

from ..wont import elsewhere
from .collectives import P2POp as P2POp
from .collectives import ReduceOp as ReduceOp
from .collectives import Work as Work
from .collectives import all_gather as all_gather
from .collectives import all_gather_coalesced as all_gather_coalesced
from .collectives import all_gather_into_tensor as all_gather_into_tensor
from .collectives import all_gather_single as all_gather_single
from .collectives import all_reduce as all_reduce
from .collectives import all_reduce_coalesced as all_reduce_coalesced
from .collectives import all_to_all as all_to_all
from .collectives import all_to_all_single as all_to_all_single
from .collectives import barrier as barrier
from .collectives import batch_isend_irecv as batch_isend_irecv
from .collectives import broadcast as broadcast
from .collectives import gather as gather
from .collectives import irecv as irecv
from .collectives import isend as isend
from .collectives import monitored_barrier as monitored_barrier
from .collectives import recv as recv
from .collectives import reduce as reduce
from .collectives import reduce_scatter as reduce_scatter
from .collectives import reduce_scatter_single as reduce_scatter_single
from .collectives import reduce_scatter_tensor as reduce_scatter_tensor
from .collectives import scatter as scatter
from .collectives import send as send
from .collectives import supports_complex as supports_complex
from .device_mesh import DeviceMesh as DeviceMesh
from .device_mesh import init_device_mesh as init_device_mesh
from .groups import Backend as Backend
from .groups import DebugLevel as DebugLevel
from .groups import GroupMember as GroupMember
from .groups import ProcessGroup as ProcessGroup
from .groups import default_pg_timeout as default_pg_timeout
from .groups import destroy_process_group as destroy_process_group
from .groups import get_backend as get_backend
from .groups import get_backend_config as get_backend_config
from .groups import get_debug_level as get_debug_level
from .groups import get_default_backend_for_device as get_default_backend_for_device
from .groups import get_global_rank as get_global_rank
from .groups import get_group_rank as get_group_rank
from .groups import get_node_local_rank as get_node_local_rank
from .groups import get_pg_count as get_pg_count
from .groups import get_process_group_ranks as get_process_group_ranks
from .groups import get_rank as get_rank
from .groups import get_world_size as get_world_size
from .groups import group as group
from .groups import init_process_group as init_process_group
from .groups import is_available as is_available
from .groups import is_backend_available as is_backend_available
from .groups import is_gloo_available as is_gloo_available
from .groups import is_initialized as is_initialized
from .groups import is_mpi_available as is_mpi_available
from .groups import is_nccl_available as is_nccl_available
from .groups import is_torchelastic_launched as is_torchelastic_launched
from .groups import is_ucc_available as is_ucc_available
from .groups import is_xccl_available as is_xccl_available
from .groups import new_group as new_group
from .groups import new_subgroups as new_subgroups
from .groups import new_subgroups_by_enumeration as new_subgroups_by_enumeration
from .groups import set_debug_level as set_debug_level
from .groups import set_debug_level_from_env as set_debug_level_from_env
from .groups import shrink_group as shrink_group
from .groups import split_group as split_group
from .objects import all_gather_object as all_gather_object
from .objects import broadcast_object_list as broadcast_object_list
from .objects import gather_object as gather_object
from .objects import recv_object_list as recv_object_list
from .objects import scatter_object_list as scatter_object_list
from .objects import send_object_list as send_object_list
from .stores import DistBackendError as DistBackendError
from .stores import DistError as DistError
from .stores import DistNetworkError as DistNetworkError
from .stores import DistStoreError as DistStoreError
from .stores import FileStore as FileStore
from .stores import HashStore as HashStore
from .stores import PrefixStore as PrefixStore
from .stores import QueueEmptyError as QueueEmptyError
from .stores import Store as Store
from .stores import TCPStore as TCPStore

reduce_op = ReduceOp  # its old name

_LATE = ("algorithms", "elastic", "nn", "optim")


def __getattr__(name: str) -> object:
    """What few programs use is imported when it is asked for; AttributeError for what needs other processes."""
    if name in _LATE:
        return import_module(f"{__name__}.{name}")
    from .absent import module

    if (found := module(name)) is not None:
        return found
    return elsewhere(__name__, name)
