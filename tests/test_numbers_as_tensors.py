"""Where a function wants a number, a tensor of one element is that number; einsum takes different dtypes where nothing is summed."""

import pytest

import kuai

torch = pytest.importorskip("torch", reason="compared with PyTorch: pip install torch==2.13.0")

CALLS = """x.chunk(i)[1]; F.one_hot(torch.tensor([0, 1]), i); torch.randperm(i).sort()[0]; x.narrow(0, torch.tensor(1), i); x.topk(i)[0]
x.unsqueeze(torch.tensor(0)); torch.eye(i); torch.linspace(0, 1, i); x.roll(i); x.cumsum(torch.tensor(0)); x.repeat_interleave(i)
F.leaky_relu(-x, torch.tensor(0.5)); torch.einsum("i,j->ij", x.long(), x[:2]); torch.einsum("i,j,k->kij", x.int(), x[:2].long(), x[:3])
torch.randperm(torch.tensor(2.5)); torch.eye(torch.tensor([3, 3])); torch.einsum("i,i->", x.long(), x); x.chunk(x[0])"""


@pytest.mark.parametrize("call", [c.strip() for line in CALLS.split("\n") for c in line.split("; ")])
def test_numbers_as_tensors(call):
    def run(lib):
        try:
            found = eval(call, {"torch": lib, "F": lib.nn.functional, "x": lib.arange(6.0), "i": lib.tensor(3)})
        except Exception as error:  # noqa: BLE001 (compared)
            return type(error).__name__
        return found.tolist(), str(found.dtype)

    assert run(kuai) == run(torch)
