"""Functions that few programs use, beside PyTorch's, and names by the paths that programs import them from."""

from __future__ import annotations

import importlib

import pytest

import kuai
from tests import oracle

torch = oracle.torch


def both(*tensors):
    """Each tensor for PyTorch and for us."""
    convert = oracle.Converter()
    return tensors, [convert(t) for t in tensors]


# ---- bags of rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("padding", [None, 1, -1])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_bags_and_what_is_in_them(mode, padding, last, weighted):
    if weighted and mode:
        pytest.skip("weights are for sums")
    for dtype, of_offsets in ((torch.float32, torch.int64), (torch.float64, torch.int32)):
        table = torch.randn(4, 3, dtype=dtype, requires_grad=True)
        weights = torch.rand(5, dtype=dtype) if weighted else None
        offsets = torch.tensor([0, 2, 2, 5] if last else [0, 2, 2], dtype=of_offsets)
        given, ours = both(table, torch.tensor([0, 1, 3, 2, 1]), offsets, weights)
        made = [
            lib.embedding_bag(w, i, o, False, mode, False, s, last, padding)
            for lib, (w, i, o, s) in ((torch, given), (kuai, ours))
        ]  # fmt: skip
        oracle.assert_same(made[1], made[0])
        for result in made:
            result[0].sum().backward()
        oracle.assert_same(ours[0].grad, table.grad)


BAGS = """
f(w, i, o, False, 3) | f(w, i, o, False, 1, False, w[:3, 0]) | f(w, i, o, False, 0, False, None, False, 4) | f(w, i + 2, o) | f(w, i, o + 1)
"""


@pytest.mark.parametrize("code", [c.strip() for c in BAGS.split("|")])
def test_bags_that_are_refused(code):
    given, ours = both(torch.randn(4, 3), torch.tensor([0, 1, 3]), torch.tensor([0, 1]))
    calls = [
        (lambda lib=lib, w=w, i=i, o=o: eval(code, {"f": lib.embedding_bag, "w": w, "i": i, "o": o}))
        for lib, (w, i, o) in ((kuai, ours), (torch, given))
    ]
    oracle.assert_same_error(*calls)


# ---- products of groups ----------------------------------------------------------------------------------------------

GROUPS = [
    ((8, 16), (2, 16, 8), [3, 8]), ((2, 8, 16), (2, 16, 8), None), ((2, 8, 16), (16, 8), [3, 8]), ((8, 16), (16, 8), [6, 16]),
    ((8, 16), (3, 16, 8), [3, 3, 8]),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["numpy", "xla"])
@pytest.mark.parametrize(("a", "b", "ends"), GROUPS)
def test_products_of_groups(a, b, ends, engine):
    offs = None if ends is None else torch.tensor(ends, dtype=torch.int32)
    (x, y, offs), ours = both(torch.randn(a, requires_grad=True), torch.randn(b, requires_grad=True), offs)
    kuai.set_engine(engine)
    try:
        for lib, (p, q, o) in ((torch, (x, y, offs)), (kuai, ours)):
            lib.nn.functional.grouped_mm(p, q, offs=o).sin().sum().backward()
        made = [
            lib.nn.functional.grouped_mm(p.bfloat16(), q.bfloat16(), offs=o) for lib, (p, q, o) in ((kuai, ours), (torch, (x, y, offs)))
        ]
        oracle.assert_same(*made)
    finally:
        kuai.set_engine("auto")
    oracle.assert_same(ours[0].grad, x.grad)
    oracle.assert_same(ours[1].grad, y.grad)


REFUSED = """
f(a, b) | f(b, b, offs=o) | f(a, b, offs=o.long()) | f(a, b, offs=o, bias=a[0]) | f(a, b[:, :4], offs=o) | f(a, b[:1], offs=o)
f(a[0], b[:1], offs=o) | f(a.double(), b, offs=o) | f(a, b, offs=o, out_dtype=torch.bfloat16)
"""


@pytest.mark.parametrize("code", oracle.cases(REFUSED))
def test_products_of_groups_that_are_refused(code):
    given, ours = both(torch.randn(8, 16), torch.randn(2, 16, 8), torch.tensor([3, 8], dtype=torch.int32))
    calls = [
        (lambda lib=lib, a=a, b=b, o=o: eval(code, {"f": lib.nn.functional.grouped_mm, "a": a, "b": b, "o": o, "torch": lib}))
        for lib, (a, b, o) in ((kuai, ours), (torch, given))
    ]
    oracle.assert_same_error(*calls)


def test_scaled_products():
    given, ours = both(
        torch.randn(4, 16).to(torch.float8_e4m3fn), torch.randn(16, 8).to(torch.float8_e4m3fn), torch.rand(4, 1), torch.rand(1, 8)
    )
    made = []
    for lib, (a, b, of_a, of_b) in ((kuai, ours), (torch, given)):
        F = lib.nn.functional
        whole, rows = F.ScalingType.TensorWise, F.ScalingType.RowWise
        made.append(
            (F.scaled_mm(a, b, of_a[0], whole, of_b[0, :1], whole), F.scaled_mm(a, b, of_a, rows, [of_b], [rows], output_dtype=lib.float32))
        )
        with pytest.raises(NotImplementedError):
            F.scaled_grouped_mm(a, b[None], of_a, rows, of_b, rows, offs=lib.tensor([4], dtype=lib.int32))
    oracle.assert_same(*made)


# ---- paths -----------------------------------------------------------------------------------------------------------


def test_names_of_the_inside():
    for lib in (kuai, torch):
        inside = lib._C
        assert inside.Generator is lib.Generator and inside.device is lib.device and inside.is_grad_enabled()
        assert issubclass(lib.Tensor, inside.TensorBase) and isinstance(inside.default_generator, inside.Generator)
        with pytest.raises(AttributeError):
            inside.nothing_at_all  # noqa: B018


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("linalg.slove", "solve"), ("nn.Liner", "Linear"), ("nn.functional.rel", "relu"), ("optim.Adm", "Adam"), ("reluu", "relu"),
     ("optim.lr_scheduler.StepLr", "StepLR"), ("utils.data.DataLoadr", "DataLoader"), ("nn.init.unifrm_", "uniform_"),
     ("distributed.all_reduc", "all_reduce"), ("special.erff", "erf"), ("autograd.grads", "grad"), ("cuda.is_availble", "is_available"),
     ("distributions.Norml", "Normal"), ("masked.meen", "mean")],
)  # fmt: skip
def test_a_name_that_is_not_there_tells_the_nearest(wrong, near):
    place, _, name = f"kuai.{wrong}".rpartition(".")
    with pytest.raises(AttributeError, match=rf"'{name}'; the nearest name that is there is '{near}'"):
        eval(f"{place}.{name}", {"kuai": kuai})


CALLS = """
torch.det(input=x.outer(x) + 1) | torch.cholesky_inverse(input=x.diag() + 3) | torch.triangular_solve(input=x[:, None], A=x.diag() + 3)
torch.lu_solve(input=x[:, None], LU_data=x.diag() + 3, LU_pivots=torch.arange(1, 4, dtype=torch.int32)) | "stft" in dir(torch)
x.is_xla, x.is_mkldnn, x.is_ipu, x.is_maia, x.is_mtia, x.is_vulkan, x.is_quantized, x.is_distributed()
torch.cond(True, lambda x: x + 1, lambda x: x - 1, (x,)) | torch.cond(x[0] > 0, lambda x: x + 1, lambda x: x - 1, (x,))
torch.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2), (torch.tensor(0), x)) | torch.functional.norm(x) | torch.functional.unique(x)
torch.crow_indices_copy(x[None].to_sparse_csr())
torch.col_indices_copy(x[None].to_sparse_csr()) | torch.ccol_indices_copy(x[None].to_sparse_csc()) | torch.is_autocast_cache_enabled()
torch.row_indices_copy(x[None].to_sparse_csc()) | torch.autocast_increment_nesting() + torch.autocast_decrement_nesting()
torch.nn.grad.conv1d_input(input_size=(1, 1, 3), weight=x[None, None, :2], grad_output=x[None, None, 1:])
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", oracle.cases(CALLS))
def test_calls(code):
    (x,), (ours,) = both(torch.tensor([-1.0, 0.0, 2.0]))
    oracle.assert_same(eval(code, {"torch": kuai, "x": ours}), eval(code, {"torch": torch, "x": x}))


@pytest.mark.skipif(torch.accelerator.is_available(), reason="what is said without an accelerator")
def test_memory_of_no_accelerator():
    for lib in (kuai, torch):
        for name in ("memory_allocated", "empty_cache", "memory_stats", "get_memory_info", "current_stream", "reset_peak_memory_stats"):
            with pytest.raises(RuntimeError):
                getattr(lib.accelerator, name)()


def test_a_star_import_of_the_layers_brings_them_all():
    theirs, ours = importlib.import_module("torch.nn.modules"), {}
    exec("from kuai.nn.modules import *", ours)
    missing = {name for name in theirs.__all__ if name not in ours}
    assert missing == {"Container", "LinearCrossEntropyOptions"}  # deprecated; and no layer
    assert ours["Linear"] is kuai.nn.Linear
