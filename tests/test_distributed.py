"""A world of one process: what PyTorch gives with gloo, ours gives. Each code runs in both libraries with a group made."""

from __future__ import annotations

import datetime
import importlib
import json
import socket

import pytest

import kuai
from tests import oracle

torch = oracle.torch
for module in ("optim", "nn.functional", "algorithms", "device_mesh"):
    pytest.importorskip(f"torch.distributed.{module}")


@pytest.fixture
def rendezvous(monkeypatch):
    """What the environment says of a world of one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": "0", "WORLD_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def groups(rendezvous):
    """A default group of one in both libraries."""
    for lib in (kuai, torch):
        lib.distributed.init_process_group("gloo")
    yield
    for lib in (kuai, torch):
        lib.distributed.destroy_process_group()


def run(lib, code):
    dist, x = lib.distributed, lib.arange(4.0)
    scope = {"dist": dist, "x": x, "torch": lib, "out": lib.zeros(4), "objects": [None], "world": dist.group.WORLD, "none": -100}
    if ";" in code:
        exec(code.rpartition(";")[0], scope)
    return eval(code.rpartition(";")[2], scope)


GIVE = """
dist.get_rank() | dist.get_world_size() | dist.get_backend() | dist.get_backend_config() | dist.all_reduce(x); x
dist.all_reduce(x, async_op=True).wait() | w = dist.all_reduce(x, async_op=True); w.wait(); w.result() | dist.all_reduce(x, op=dist.ReduceOp.AVG); x
dist.all_reduce(x, async_op=True).get_future().wait() | dist.broadcast(x, 0); x | dist.broadcast(x, group_src=0) | dist.reduce(x, 0); x
dist.all_gather([out], x); out | dist.all_gather_into_tensor(out, x); out | dist.all_gather_coalesced([[out]], [x]); out
dist.gather(x, [out]); out | dist.scatter(out, [x]); out | dist.reduce_scatter(out, [x]); out | dist.reduce_scatter_tensor(out, x); out
dist.all_to_all([out], [x]); out | dist.all_to_all_single(out, x, [4], [4]); out | dist.all_reduce_coalesced([x]) | dist.barrier()
dist.monitored_barrier() | dist.all_gather_object(objects, {"a": 1}); objects | dist.gather_object(3, objects); objects
objects = [1, 2]; dist.broadcast_object_list(objects, 0); objects | dist.scatter_object_list(objects, [5]); objects
dist.get_rank(dist.new_group([0])) | dist.get_process_group_ranks(world) | dist.get_process_group_ranks(None) | dist.get_node_local_rank(3)
dist.get_group_rank(world, 1) | dist.get_global_rank(world, 1) | len(dist.new_subgroups(1)[1]) | len(dist.new_subgroups_by_enumeration([[0]])[1])
dist.is_backend_available("gloo"), dist.is_backend_available("nope") | dist.is_gloo_available() | dist.is_initialized()
dist.supports_complex(dist.ReduceOp.SUM), dist.supports_complex(dist.ReduceOp.MAX) | world.rank(), world.size(), world.name()
dist.Backend("GLOO"), dist.Backend.NCCL | dist.default_pg_timeout | int(dist.get_debug_level()) | dist.all_reduce(x > 1)
m = dist.init_device_mesh("cpu", (1, 1), mesh_dim_names=("a", "b")); m["b"].size(), m.ndim, m.shape, m.get_coordinate(), m.get_local_rank("a")
dist.destroy_process_group(dist.new_group([0])) | dist.nn.functional.all_reduce(x) | dist.nn.functional.all_gather(x)
dist.all_reduce(x.to_sparse()) | dist.all_reduce(x, group=none)
"""
ERRORS = """
dist.init_process_group("gloo") | dist.all_reduce(x, op=dist.ReduceOp.BAND) | dist.all_reduce([x]) | dist.broadcast(x, 1) | dist.broadcast(x)
dist.reduce(x, 1) | dist.all_gather([x[:3]], x) | dist.all_gather([out.double()], x) | dist.all_gather([], x) | dist.all_gather([out, out], x)
dist.all_gather_into_tensor(out[:3], x) | dist.gather(x) | dist.gather(x, [out], dst=1) | dist.scatter(out) | dist.scatter(out, [x], src=1)
dist.send(x, 0) | dist.gather_object(3) | dist.new_group([1]) | dist.get_node_local_rank() | dist.new_subgroups(2)
dist.init_device_mesh("cpu", (2,)) | dist.split_group(split_ranks=[[0]]) | dist.all_reduce(x, op=dist.ReduceOp.PREMUL_SUM)
torch.nn.parallel.DistributedDataParallel(torch.nn.ReLU()) | torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1), device_ids=[0])
torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1), device_ids=[0, 1]) | dist.P2POp(dist.all_reduce, x, 0)
"""
BEFORE = """
dist.get_rank() | dist.get_world_size() | dist.barrier() | dist.all_reduce(x) | dist.get_backend() | dist.destroy_process_group()
dist.new_group() | dist.init_process_group("nope") | torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
"""


@pytest.mark.filterwarnings("ignore")
def test_values(groups):
    for code in oracle.cases(GIVE):
        oracle.assert_same(run(kuai, code), run(torch, code), code)


@pytest.mark.filterwarnings("ignore")
def test_errors(groups):
    for code in oracle.cases(ERRORS):
        oracle.assert_same_error(lambda code=code: run(kuai, code), lambda code=code: run(torch, code))


@pytest.mark.filterwarnings("ignore")
def test_errors_before_there_is_a_group(rendezvous):
    for code in oracle.cases(BEFORE):
        oracle.assert_same_error(lambda code=code: run(kuai, code), lambda code=code: run(torch, code))


def test_larger_worlds_are_refused(monkeypatch):
    with pytest.raises(NotImplementedError, match="a world of 2"):
        kuai.distributed.init_process_group("gloo", rank=0, world_size=2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(NotImplementedError, match="a world of 4"):
        kuai.distributed.init_process_group()
    assert not kuai.distributed.is_initialized()
    for make in (lambda d: d.TCPStore("localhost", 1, 2, True), lambda d: d.FileStore("f", 2)):
        with pytest.raises(NotImplementedError):
            make(kuai.distributed)


def test_a_group_that_was_ended_is_refused(groups):
    part = kuai.distributed.new_group([0])
    kuai.distributed.destroy_process_group(part)
    with pytest.raises(ValueError, match="destroyed"):
        kuai.distributed.all_reduce(kuai.ones(1), group=part)


# ---- modules and optimizers ------------------------------------------------------------------------------------------


def trained(lib):
    """A wrapped net after two steps, one of them of two batches."""
    lib.manual_seed(0)
    net = lib.nn.parallel.DistributedDataParallel(lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 1)))
    optimizer = lib.distributed.optim.ZeroRedundancyOptimizer(net.parameters(), lib.optim.Adam, lr=0.1)
    scheduler = lib.optim.lr_scheduler.StepLR(optimizer, 1)
    x = lib.arange(12.0).reshape(4, 3) / 12
    for _ in range(2):
        with net.no_sync():
            assert not net.require_backward_grad_sync
            net(x).exp().sum().backward()
        net(x * 2).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    with net.join(), lib.distributed.algorithms.Join([net, optimizer]):
        net(x)
    with pytest.raises(RuntimeError, match="consolidate"):
        optimizer.state_dict()
    optimizer.consolidate_state_dict()
    scheduler.step()
    return net.state_dict(), optimizer.param_groups[0]["lr"], len(optimizer.state_dict()["state"])


@pytest.mark.filterwarnings("ignore")
def test_training(groups):
    oracle.assert_same(trained(kuai), trained(torch))


def test_samplers_ask_for_the_rank(groups):
    for lib in (kuai, torch):
        sampler = lib.utils.data.DistributedSampler(list(range(5)), shuffle=False)
        assert list(sampler) == [0, 1, 2, 3, 4] and sampler.num_replicas == 1


# ---- stores ----------------------------------------------------------------------------------------------------------

STORE = """
s.set("a", "1") | s.get("a") | s.add("n", 2) | s.add("n", 3) | s.get("n") | s.check(["a"]) | s.check(["zz"]) | s.delete_key("a")
s.delete_key("a") | s.num_keys() | s.wait(["n"]) | s.compare_set("n", "5", "6") | s.compare_set("n", "5", "8") | s.compare_set("e", "5", "8")
s.compare_set("e", "", "8") | s.append("n", "7") | s.multi_get(["n"]) | s.multi_set(["x", "y"], ["1", "2"]) | p.set("k", "v")
s.get("p/k") | p.get("k") | p.add("i", 1) | p.check(["k"]) | p.delete_key("k") | s.queue_push("q", "1") | s.queue_len("q")
s.queue_pop("q") | s.timeout | s.has_extended_api() | s.set("b", b"\\x00") | s.get("b") | sorted(s.list_keys())
"""


def test_stores():
    ours, theirs = (
        {"s": lib.distributed.HashStore(), "p": lib.distributed.PrefixStore("p", made)}
        for lib in (kuai, torch)
        for made in [lib.distributed.HashStore()]
    )
    for lib, scope in ((kuai, ours), (torch, theirs)):
        scope["p"] = lib.distributed.PrefixStore("p", scope["s"])
    for code in oracle.cases(STORE):
        assert eval(code, ours) == eval(code, theirs), code
    for lib, scope in ((kuai, ours), (torch, theirs)):
        scope["s"].set_timeout(datetime.timedelta(milliseconds=20))
        for wait in (scope["s"].get, lambda key, s=scope["s"]: s.wait([key]), scope["s"].queue_pop):
            with pytest.raises(lib.distributed.DistStoreError, match="Wait timeout"):
                wait("nothing")


# ---- what a launcher looks for ---------------------------------------------------------------------------------------


def test_errors_are_recorded(tmp_path, monkeypatch):
    from kuai.distributed.elastic.multiprocessing.errors import record

    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "rank0" / "error.json"))

    @record
    def main(code):
        if code is None:
            raise ValueError("no code")
        raise SystemExit(code)

    assert main(0) is None
    with pytest.raises(SystemExit):
        main(3)
    with pytest.raises(ValueError, match="no code"):
        main(None)
    said = json.loads((tmp_path / "rank0" / "error.json").read_text())["message"]
    assert said["message"] == "ValueError: no code" and "raise ValueError" in said["extraInfo"]["py_callstack"]


def test_names_of_what_is_shared_are_classes_of_nothing():
    from kuai.distributed import absent

    for name, parts in absent.NAMES.items():
        for part in parts.split():
            theirs = getattr(importlib.import_module(f"torch.distributed.{name}"), part)
            ours = getattr(absent.module(name), part)
            assert isinstance(ours, type) == isinstance(theirs, type), (name, part)
    assert not isinstance(kuai.ones(1), kuai.distributed.tensor.DTensor) and kuai.distributed.tensor.DeviceMesh is kuai.distributed.DeviceMesh
    with pytest.raises(NotImplementedError, match="one process"):
        kuai.distributed.fsdp.FullyShardedDataParallel(kuai.nn.Linear(1, 1))
    for shared in (kuai.distributed.tensor, importlib.import_module("torch.distributed.tensor")):
        shard = shared.Shard(1)
        assert (shard.is_shard(0), shard.is_shard(1), shard.is_replicate(), shard == shared.Shard(1)) == (False, True, False, True)
        assert shared.Replicate().is_replicate() and shared.Partial().is_partial() and repr(shard) == "Shard(dim=1)"
