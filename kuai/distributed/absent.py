"""What of ``torch.distributed`` shares a model between processes, by name only: no object here is of these classes.

Programs ask ``isinstance(weight, DTensor)`` of every weight, and import the names where they may want them. In a world of one
the answer is no, and to make one is an error that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, NoReturn

from .device_mesh import DeviceMesh, init_device_mesh
from .placements import Partial, Placement, Replicate, Shard

# Modules, with the classes and functions in them.
_SHARDED = (
    "BackwardPrefetch CPUOffload FullOptimStateDictConfig FullStateDictConfig LocalOptimStateDictConfig LocalStateDictConfig "
    "MixedPrecision OptimStateDictConfig ShardedOptimStateDictConfig ShardedStateDictConfig ShardingStrategy StateDictConfig "
    "StateDictSettings StateDictType"
)
NAMES = {
    "tensor":
        "DTensor DeviceMesh Partial Placement Replicate Shard distribute_module distribute_tensor empty full init_device_mesh "
        "ones rand randn zeros",
    "tensor.placement_types": "Partial Placement Replicate Shard _StridedShard",
    "tensor._utils": "compute_global_tensor_shape compute_local_shape_and_global_offset compute_local_stride compute_local_tensor_info",
    "tensor.experimental": "context_parallel implicit_replication local_map register_sharding",
    "tensor.parallel":
        "ColwiseParallel ParallelStyle PrepareModuleInput PrepareModuleInputOutput PrepareModuleOutput RowwiseParallel "
        "SequenceParallel loss_parallel parallelize_module",
    "fsdp":
        f"{_SHARDED} CPUOffloadPolicy DataParallelMeshDims FSDPModule FullyShardedDataParallel MixedPrecisionPolicy OffloadPolicy "
        "OptimStateKeyType UnshardHandle fully_shard register_fsdp_forward_method share_comm_ctx",
    "_composable": "",
    "_composable.fsdp": "CPUOffloadPolicy FSDPModule MixedPrecisionPolicy OffloadPolicy fully_shard register_fsdp_forward_method",
    "fsdp.api": f"{_SHARDED}",
    "fsdp.fully_sharded_data_parallel":
        "BackwardPrefetch CPUOffload FullOptimStateDictConfig FullStateDictConfig FullyShardedDataParallel LocalStateDictConfig "
        "MixedPrecision OptimStateDictConfig OptimStateKeyType ShardedOptimStateDictConfig ShardedStateDictConfig "
        "ShardingStrategy StateDictConfig StateDictSettings StateDictType",
    "fsdp.sharded_grad_scaler": "ShardedGradScaler",
    "fsdp.wrap":
        "CustomPolicy ModuleWrapPolicy always_wrap_policy enable_wrap lambda_auto_wrap_policy size_based_auto_wrap_policy "
        "transformer_auto_wrap_policy wrap",
    "algorithms.model_averaging": "",
    "algorithms.model_averaging.averagers": "ModelAverager PeriodicModelAverager",
    "algorithms.ddp_comm_hooks": "DDPCommHookType register_ddp_comm_hook",
    "algorithms.ddp_comm_hooks.default_hooks":
        "allreduce_hook bf16_compress_hook bf16_compress_wrapper fp16_compress_hook fp16_compress_wrapper",
    "algorithms.ddp_comm_hooks.powerSGD_hook": "PowerSGDState batched_powerSGD_hook powerSGD_hook",
    "algorithms.ddp_comm_hooks.post_localSGD_hook": "PostLocalSGDState post_localSGD_hook",
    "algorithms._checkpoint": "",
    "algorithms._checkpoint.checkpoint_wrapper":
        "ActivationWrapper CheckpointImpl CheckpointWrapper OffloadWrapper apply_activation_checkpointing checkpoint_wrapper "
        "offload_wrapper",
    "checkpoint":
        "BytesStorageMetadata CheckpointException ChunkStorageMetadata DefaultLoadPlanner DefaultSavePlanner FileSystemReader "
        "FileSystemWriter HuggingFaceStorageReader HuggingFaceStorageWriter LoadPlan LoadPlanner Metadata "
        "QuantizedHuggingFaceStorageReader ReadItem SavePlan SavePlanner StorageReader StorageWriter TensorStorageMetadata "
        "WriteItem async_save load load_sharded_optimizer_state_dict load_state_dict save save_state_dict",
    "checkpoint.default_planner":
        "DefaultLoadPlanner DefaultSavePlanner create_default_global_load_plan create_default_global_save_plan "
        "create_default_local_load_plan create_default_local_save_plan",
    "checkpoint.format_utils":
        "BroadcastingTorchSaveReader DynamicMetaLoadPlanner _EmptyStateDictLoadPlanner dcp_to_torch_save torch_save_to_dcp",
    "checkpoint.hf_storage": "HuggingFaceStorageReader HuggingFaceStorageWriter",
    "checkpoint._consolidate_hf_safetensors": "consolidate_safetensors_files consolidate_safetensors_files_on_every_rank",
    "checkpoint.optimizer": "load_sharded_optimizer_state_dict",
    "checkpoint.state_dict":
        "StateDictOptions get_model_state_dict get_optimizer_state_dict get_state_dict set_model_state_dict "
        "set_optimizer_state_dict set_state_dict",
    "checkpoint.state_dict_loader": "load load_state_dict",
    "_functional_collectives":
        "AsyncCollectiveTensor all_gather_single all_gather_single_autograd all_gather_tensor all_gather_tensor_autograd "
        "all_reduce all_to_all_single all_to_all_single_autograd broadcast permute_tensor reduce_scatter_single "
        "reduce_scatter_single_autograd reduce_scatter_tensor reduce_scatter_tensor_autograd wait_tensor",
}  # fmt: skip
NAMES["rpc"] = (
    "BackendType PyRRef RRef RpcBackendOptions TensorPipeRpcBackendOptions WorkerInfo functions get_worker_info init_rpc remote rpc_async "
    "rpc_sync shutdown"
)
NAMES["autograd"] = "backward context get_gradients"
ELSEWHERE = {"_tensor": "tensor"}
# One class for each name, whatever modules have it. Those that only say how something lies are there.
_SMALL_CLASSES = ("context",)  # whose names begin as those of functions do
CLASSES: dict[str, Any] = {c.__name__: c for c in (Placement, Shard, Replicate, Partial, DeviceMesh, init_device_mesh)}


def _refuse(name: str) -> Callable[..., NoReturn]:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        """Not there: models and their weights are not shared between processes."""
        raise NotImplementedError(f"torch.distributed: {name} shares a model between processes, and here is one process; leave it out")

    return refuse


def _class(name: str) -> type:
    if name not in CLASSES:
        CLASSES[name] = type(name, (), {"__init__": _refuse(name), "__doc__": "Shares a model between processes: no object here is one."})
    return CLASSES[name]


def _is_class(name: str) -> bool:
    return name in CLASSES or name in _SMALL_CLASSES or name.lstrip("_")[0].isupper()


@cache
def module(name: str) -> ModuleType | None:
    """The module ``torch.distributed.<name>`` with its names, or None if it is none of these."""
    name = ELSEWHERE.get(name, name)
    if name not in NAMES:
        return None
    made = ModuleType(f"kuai.distributed.{name}", f"Sharing a model between processes (``torch.distributed.{name}``): not there.")
    for each in NAMES[name].split():
        setattr(made, each, _class(each) if _is_class(each) else _refuse(each))
    if name in ("rpc", "autograd"):
        made.is_available = lambda: False  # type: ignore[attr-defined]
    for inner in NAMES:
        if inner.rpartition(".")[0] == name:
            setattr(made, inner.rpartition(".")[2], module(inner))
    return made
