"""``kuai run``: kuai in PyTorch's place, in the process and in those it starts, as Python would run the program."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from kuai.torch_names import module_of

ROOT = Path(__file__).parent.parent


def run(folder, *arguments, kuai=True):
    """What a program prints and how it ends, started by kuai or by Python in a folder."""
    command = [sys.executable, *(["-m", "kuai", "run"] if kuai else []), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return ended.returncode, ended.stdout, ended.stderr


def written(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(inspect.cleandoc(text) + "\n")
    return folder


CHILDREN = """
    import sys
    import torch
    import torch.multiprocessing as mp
    from torch.utils.data import DataLoader, Dataset

    assert "kuai" in torch.__version__, __name__

    class Squares(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return torch.tensor(i * i)

    def work(answers, layer):
        answers.put((type(layer).__module__, layer(torch.ones(2)).tolist(), layer.weight.requires_grad))

    if __name__ == "__main__":
        layer = torch.nn.Linear(2, 1)
        torch.nn.init.ones_(layer.weight), torch.nn.init.zeros_(layer.bias)
        context = mp.get_context(sys.argv[1])
        answers = context.Queue()
        child = context.Process(target=work, args=(answers, layer))
        child.start()
        print(*answers.get())
        child.join()
        print(list(DataLoader(Squares(), batch_size=2, num_workers=1, multiprocessing_context=context)))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_pose_too(tmp_path, method):
    written(tmp_path, {"children.py": CHILDREN})
    code, out, err = run(tmp_path, "children.py", method)
    assert (code, err) == (0, "")
    assert out.splitlines() == ["torch.nn.modules.linear [2.0] True", "[tensor([0, 1]), tensor([4, 9])]"]


def test_children_of_a_module(tmp_path):
    written(tmp_path, {"package/__init__.py": "", "package/main.py": CHILDREN})
    code, out, err = run(tmp_path, "-m", "package.main", "spawn")
    assert (code, err) == (0, "")
    assert out.startswith("torch.nn.modules.linear [2.0] True")


PLACES = """
    import sys
    from {} import beside

    print(__name__, __package__, __file__.rpartition("/")[2], sys.argv[1:], sys.path[0], beside.value)
"""


@pytest.mark.parametrize("origin", ["package", "."])
def test_modules_run_as_pythons_do(tmp_path, origin):
    written(tmp_path, {"package/__init__.py": "", "package/beside.py": "value = 3", "package/main.py": PLACES.format(origin)})
    ours, theirs = (run(tmp_path, "-m", "package.main", "--x", "1", kuai=kuai) for kuai in (True, False))
    assert ours == theirs and ours[0] == 0


def test_scripts_run_as_pythons_do(tmp_path):
    text = "import sys\nimport beside\nprint(__name__, __package__, __file__, sys.argv, sys.path[0], beside.value)\nsys.exit(3)"
    written(tmp_path, {"folder/beside.py": "value = 3", "folder/main.py": text})
    ours, theirs = (run(tmp_path, "folder/main.py", "--x", "-m", kuai=kuai) for kuai in (True, False))
    assert ours == theirs and ours[0] == 3


@pytest.mark.parametrize("text", ["def f():\n    raise ValueError('mine')\n\nf()", "1 +", "import torch.nothing"])
def test_errors_are_shown_from_the_program_on(tmp_path, text):
    written(tmp_path, {"main.py": text})
    ours, theirs = run(tmp_path, "main.py"), run(tmp_path, str(tmp_path / "main.py"), kuai=False)
    assert ours[0] == theirs[0] == 1
    assert "runpy" not in ours[2] and "cli.py" not in ours[2]
    if "torch" not in text:
        assert ours[2].replace(str(tmp_path) + "/", "") == theirs[2].replace(str(tmp_path) + "/", "")


def test_there_is_no_such_file(tmp_path):
    assert run(tmp_path, "none.py") == (2, "", "kuai run: there is no file none.py\n")


def classes(module):
    """The classes that a module of PyTorch gives to the outside and kuai has too."""
    theirs, ours = import_module(f"torch.{module}"), import_module(f"kuai.{module}")
    for name in dir(theirs):
        found = getattr(theirs, name)
        if isinstance(found, type) and found.__module__.startswith("torch") and isinstance(getattr(ours, name, None), type):
            yield name, found, getattr(ours, name)


@pytest.mark.parametrize("module", ["nn", "optim", "optim.lr_scheduler", "utils.data", "distributions", "autograd", "amp", "multiprocessing"])
def test_classes_have_pytorchs_names(module):
    pytest.importorskip("torch")
    aliases = {"_LRScheduler"}
    for name, theirs, ours in classes(module):
        place = module_of(ours) or ours.__module__.replace("kuai", "torch", 1)
        assert place == theirs.__module__ or name in aliases, name


def test_classes_are_found_by_their_names(tmp_path):
    text = """
        import pickle
        import torch
        import torch.utils.data

        for module in (torch.nn, torch.optim, torch.optim.lr_scheduler, torch.utils.data, torch.distributions, torch.autograd):
            for value in list(vars(module).values()):
                if isinstance(value, type) and value.__module__.startswith("torch"):
                    assert pickle.loads(pickle.dumps(value)) is value
        print(torch.nn.Linear, torch.optim.Adagrad, torch.distributions.Normal, torch.no_grad)
    """
    code, out, err = run(written(tmp_path, {"main.py": text}), "main.py")
    assert (code, err) == (0, "")
    names = "torch.nn.modules.linear.Linear torch.optim.adagrad.Adagrad torch.distributions.normal.Normal torch.autograd.grad_mode.no_grad"
    assert out.split() == " ".join(f"<class '{n}'>" for n in names.split()).split()


def test_modules_that_are_not_there_say_why(tmp_path):
    written(tmp_path, {"absent.py": """
        import importlib.util
        for name in ("export", "utils.tensorboard", "distributed.pipelining", "nothing_at_all"):
            try: importlib.import_module("torch." + name)
            except ModuleNotFoundError as e: print(e)
        import torch
        try: torch.export
        except AttributeError as e: print(e)
        print(importlib.util.find_spec("torch.export"))
    """})  # fmt: skip
    code, out, err = run(tmp_path, "absent.py")
    assert code == 0, err
    export, board, shards, nothing, attribute, probed = out.splitlines()
    assert "not exported" in export and "tensorboardX" in board and "one process" in shards and "not exported" in attribute
    assert nothing == "No module named 'torch.nothing_at_all'" and probed == "None"


def test_programs_that_ask_python_about_the_package(tmp_path):
    """Its version in the metadata, its spec, and the types of its classes' attributes."""
    written(tmp_path, {"asks.py": """
        import importlib.util, typing
        from importlib import metadata
        print(importlib.util.find_spec("torch").name, metadata.version("torch").split("+")[0], metadata.distribution("torch").metadata["Name"])
        import torch
        class Net(torch.nn.Module):
            size: "int" = 3
        print(typing.get_type_hints(Net)["size"], typing.get_type_hints(torch.nn.Module)["training"])
        print(metadata.version("numpy") == __import__("numpy").__version__)
    """})  # fmt: skip
    code, out, err = run(tmp_path, "asks.py")
    assert (code, out.splitlines()) == (0, ["torch 2.13.0 torch", "<class 'int'> <class 'bool'>", "True"]), err


def test_functions_keep_their_names_when_modules_of_the_same_name_are_imported(tmp_path):
    text = """
        import torch
        import torch.autograd.gradcheck, torch.nn.utils.weight_norm
        from torch.autograd.gradcheck import GradcheckError
        from torch.nn.utils.spectral_norm import SpectralNorm
        print(torch.autograd.gradcheck(torch.sin, torch.ones(2, dtype=torch.float64, requires_grad=True)))
        print(type(torch.nn.utils.weight_norm).__name__, type(torch.nn.utils.spectral_norm).__name__, issubclass(GradcheckError, RuntimeError))
    """
    written(tmp_path, {"shadows.py": text})
    for kuai in (True, False) if find_spec("torch") else (True,):
        code, out, err = run(tmp_path, "shadows.py", kuai=kuai)
        assert (code, out) == (0, "True\nfunction function True\n"), err


def test_files_of_pytorchs_are_attributes_as_there():
    import kuai
    from kuai.places import ELSEWHERE

    assert kuai.optim.adamw.AdamW is kuai.optim.AdamW and kuai.utils.data.dataloader.DataLoader is kuai.utils.data.DataLoader
    assert kuai.utils.data._utils.collate.default_collate([1, 2]).tolist() == [1, 2]
    assert kuai.Storage is kuai.FloatStorage and kuai.GradScaler is kuai.amp.GradScaler
    for place in (p for p in ELSEWHERE if not p.startswith("_")):
        found = kuai
        for name in place.split("."):
            found = getattr(found, name)
