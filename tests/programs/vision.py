"""Small models of torchvision and timm, as published: initial weights, predictions, one step of training; boxes and transforms."""

import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from reporting import report
from torch.nn import functional as F

library = Path(find_spec("torchvision").origin).with_name("_C.so")
try:
    torch.ops.load_library(str(library))
except OSError:  # built for another PyTorch: to import the package takes no more than that these are declared
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import timm
import torchvision
from torchvision.transforms import v2

torch.set_num_threads(1)


def walk(name, model, size, labels=2):
    """Everything about one model, from a seed; float64 in training, where batch norms of few elements magnify roundings."""
    report(f"{name} parameters", *(p.double().abs().sum() for p in model.parameters()))
    images = torch.rand(labels, 3, size, size)
    model.eval()
    with torch.no_grad():
        report(f"{name} prediction", model(images)[0, :20])
    model.double().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for step in range(2):
        loss = F.cross_entropy(model(images.double()), torch.arange(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        report(f"{name} loss {step}", loss)
    report(f"{name} trained", *(p.abs().sum() for p in model.parameters()))
    report(f"{name} averages", *(b.double().sum() for b in model.buffers()))


def classifiers():
    for name in ("mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1"):
        torch.manual_seed(1)
        walk(name, torchvision.models.get_model(name, weights=None, num_classes=10), 64)
    for name in ("test_vit", "test_convnext", "test_efficientnet", "test_resnet", "test_byobnet"):
        torch.manual_seed(2)
        walk(name, timm.create_model(name, num_classes=10, drop_path_rate=0.1), 160 if "vit" in name else 64)


def segmentation():
    torch.manual_seed(3)
    model = torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4)
    report("segmentation", model.eval()(torch.rand(1, 3, 64, 64))["out"][0, :, ::16, ::16])


def boxes():
    torch.manual_seed(4)
    corner = torch.rand(8, 2) * 20
    given = torch.cat([corner, corner + 5 + torch.rand(8, 2) * 20], 1)
    report("overlaps", torchvision.ops.box_iou(given, given), torchvision.ops.generalized_box_iou(given, given))
    report("converted", torchvision.ops.box_convert(given, "xyxy", "cxcywh"), torchvision.ops.clip_boxes_to_image(given, (24, 30)))
    report("focal", torchvision.ops.sigmoid_focal_loss(given / 40, (given > 20).float(), reduction="mean"))


def transforms():
    torch.manual_seed(5)
    image = torch.rand(3, 40, 50)
    steps = v2.Compose([v2.RandomResizedCrop(24, antialias=True), v2.RandomHorizontalFlip(), v2.ColorJitter(0.2, 0.2, 0.2, 0.1),
                        v2.Normalize((0.5,) * 3, (0.2,) * 3), v2.RandomErasing(1.0)])  # fmt: skip
    report("augmented", steps(image))
    report("turned", v2.functional.rotate(image, 30.0)[:, ::4, ::4], v2.functional.gaussian_blur(image, 5)[:, ::4, ::4])


for part in (classifiers, segmentation, boxes, transforms):
    part()
sys.stdout.flush()
