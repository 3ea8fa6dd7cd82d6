"""Small modules beside PyTorch's: futures, devices that are not there, exchanging tensors, batch norm under functions."""

import subprocess
import sys
import threading

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")


def test_futures():
    for library in (kuai, torch):
        futures = library.futures
        f = futures.Future()
        seen = []
        f.add_done_callback(lambda done, seen=seen: seen.append(done.value()))
        g = f.then(lambda done: done.value() + 1).then(lambda done: done.wait() * 10)
        bad = f.then(lambda done: 1 / 0)
        threading.Thread(target=f.set_result, args=(4,)).start()
        assert f.wait() == 4 and g.wait() == 50 and seen == [4] and f.done()
        with pytest.raises(Exception, match="division by zero"):
            bad.wait()
        late = []
        f.add_done_callback(lambda done, late=late: late.append(1))
        assert late == [1] and futures.wait_all([f, g]) == [4, 50]
        assert [x.value() for x in futures.collect_all([f, g]).wait()] == [4, 50]
        failed = futures.Future()
        failed.set_exception(ValueError("no"))
        with pytest.raises(ValueError, match="no"):
            failed.wait()
        with pytest.raises(RuntimeError):
            f.set_result(5)
        with pytest.raises(AssertionError):
            futures.Future().set_exception(3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="what is said without a GPU")
def test_devices_that_are_not_there():
    for library in (kuai, torch):
        for device in (library.xpu, library.mps):
            assert not device.is_available() and device.device_count() == 0
        with pytest.raises(AssertionError, match="not compiled with XPU"):
            library.xpu.current_device()
        with pytest.raises(RuntimeError, match="without MPS backend"):
            library.mps.empty_cache()
        assert library.xpu.memory_allocated() == 0
        assert library.cpu.is_available() and library.cpu.device_count() == 1 and library.cpu.current_device() == "cpu"
        with library.cpu.stream(library.cpu.current_stream()):
            library.cpu.synchronize()
        cuda = library.cuda
        assert cuda.get_rng_state_all() == [] and cuda.get_arch_list() == [] and not cuda.is_tf32_supported()
        assert cuda.memory_stats() == {}
        for refused in (cuda.CUDAGraph, cuda.graph_pool_handle, lambda: cuda.nvtx.mark("a"), lambda: cuda.nvtx.range_push("a")):
            with pytest.raises(RuntimeError):
                refused()
        with cuda.device_of(library.ones(1)):
            pass


def test_exchanged_tensors():
    for library in (kuai, torch):
        layer = library.nn.Linear(2, 1)
        weight = layer.weight
        other = library.nn.Parameter(library.ones(1, 2))
        library.utils.swap_tensors(weight, other)
        assert layer.weight is weight and weight.tolist() == [[1.0, 1.0]]
        layer(library.ones(3, 2)).sum().backward()
        assert weight.grad.tolist() == [[3.0, 3.0]] and other.grad is None
        plain = library.zeros(2)
        library.utils.swap_tensors(plain, weight)
        assert isinstance(plain, library.nn.Parameter) and not isinstance(weight, library.nn.Parameter)


def test_batch_norm_under_functions():
    for library in (kuai, torch):
        net = library.nn.Sequential(library.nn.Conv2d(1, 2, 3), library.nn.BatchNorm2d(2), library.nn.BatchNorm1d(2)).eval()
        assert library.func.replace_all_batch_norm_modules_(net) is net
        assert net[1].running_mean is None and net[2].num_batches_tracked is None
        x = net[1](library.arange(8.0).reshape(1, 2, 2, 2))
        assert abs(x.mean().item()) < 1e-6


def test_timers():
    calls = []
    timer = kuai.utils.benchmark.Timer("f(x)", globals={"f": lambda x: calls.append(x.sum()), "x": kuai.ones(3)}, sub_label="f")
    m = timer.timeit(10)
    assert m.number_per_run == 10 and len(m.times) == 1 and len(calls) == 12 and m.median == m.mean > 0
    blocks = timer.blocked_autorange(min_run_time=0.002)
    assert blocks.iqr >= 0 and blocks.task_spec.sub_label == "f" and "IQR" in repr(blocks) or len(blocks.raw_times) == 1
    for given in ([1.0, 2.0, 4.0, 8.0], [3.0, 3.0]):
        ours = kuai.utils.benchmark.Measurement(2, given, kuai.utils.benchmark.TaskSpec("s", ""))
        theirs = pytest.importorskip("torch.utils.benchmark").Measurement(2, given, torch.utils.benchmark.utils.common.TaskSpec("s", ""))
        assert (ours.median, ours.mean, ours.iqr) == pytest.approx((theirs.median, theirs.mean, theirs.iqr))
    with pytest.raises(NotImplementedError, match="language"):
        kuai.utils.benchmark.Timer(language="c++")


def test_attributes_of_tensors_are_the_programs():
    """``vars(tensor)`` has what a program hung on it: packages make parameters anew with it."""
    for library in (kuai, torch):
        p = library.nn.Parameter(library.ones(2))
        view = library.ones(3)[1:]
        assert p.__dict__ == {} == vars(view)
        p.mark, view.mark = 1, 2
        assert vars(p) == {"mark": 1} and view.__dict__ == {"mark": 2}
        p.__dict__["other"] = 3
        view.__dict__.update(p.__dict__)
        assert p.other == 3 and view.mark == 1 and view.other == 3
        del view.mark
        view += 1
        assert view.__dict__ == {"other": 3} and view.tolist() == [2, 2]
        view.__dict__ = {"new": 4}
        assert not hasattr(view, "other") and view.new == 4
        options = {**library.nn.Parameter(library.ones(1)).__dict__, "requires_grad": False}
        assert type(p)(p.to("meta"), **options).device.type == "meta"


def test_arguments_of_to_are_read_as_pytorch_reads_them():
    asked = [(("cpu",), {}), ((), {"device": "cpu", "dtype": "int32"}), (("cpu", "float32", True), {}), ((), {"non_blocking": True})]
    for args, named in asked:
        found = []
        for library in (kuai, torch):
            names = {"int32": library.int32, "float32": library.float32}
            given = library._C._nn._parse_to(*(names.get(a, a) for a in args), **{k: names.get(v, v) for k, v in named.items()})
            found.append([str(part) for part in given])
        assert found[0] == found[1]


@pytest.mark.parametrize("lib", [kuai, torch])
def test_limits_generators_and_settings_answer_as_pytorchs(lib):
    assert lib.finfo(lib.float16) == lib.finfo(lib.float16) != lib.finfo(lib.float32)
    with pytest.raises(TypeError):
        lib.finfo("a")
    generator = lib.Generator()
    assert generator.set_state(generator.get_state()) is generator
    with pytest.raises(TypeError):
        lib.use_deterministic_algorithms("a")
    with pytest.raises(RuntimeError, match="expects an int"):
        lib.set_num_threads("a")


def test_inner_files_do_not_stand_for_functions():
    """An import of ``torch._functorch.vmap`` leaves ``torch.func.vmap`` the function that it is."""
    code = "import kuai.compat as c; c.install(); import torch, torch._functorch.vmap; print(callable(torch.func.vmap), callable(torch.vmap))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True True\n"
