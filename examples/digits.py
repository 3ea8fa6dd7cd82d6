"""Recognise handwritten digits: the 1,797 images of the UCI set that scikit-learn ships.

The network is made of blocks of one's own: a Sequential written by hand, a layer without parameters, a layer with
parameters, and a hidden layer that is used twice, so that its gradients add up. Run it with `kuai run examples/digits.py`.
"""

import argparse
import os
import tempfile

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split
from tqdm import tqdm


class MySequential(nn.Module):
    """Blocks one after the other."""

    def __init__(self, *blocks):
        super().__init__()
        for i, block in enumerate(blocks):
            self.add_module(f"block {i}", block)

    def forward(self, x):
        for block in self.children():
            x = block(x)
        return x


class CenteredLayer(nn.Module):
    """Takes the mean of the batch away: a layer without parameters."""

    def forward(self, x):
        return x - x.mean()


class MyLinear(nn.Module):
    """A fully connected layer with parameters of its own and ReLU."""

    def __init__(self, in_units, units):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(in_units, units) / in_units**0.5)
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, x):
        return F.relu(torch.matmul(x, self.weight) + self.bias)


def init_linear(module):
    if type(module) is nn.Linear:
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def make_net():
    shared = nn.Linear(64, 64)  # one layer in two places
    net = MySequential(CenteredLayer(), MyLinear(64, 64), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(64, 10))
    return net.apply(init_linear)


def load():
    digits = load_digits()
    images = torch.tensor(digits.data, dtype=torch.float32) / 16
    labels = torch.tensor(digits.target)
    held_out = len(images) // 5
    parts = random_split(TensorDataset(images, labels), [len(images) - held_out, held_out])
    return [TensorDataset(images[part.indices], labels[part.indices]) for part in parts]


def accuracy(net, dataset):
    images, labels = dataset.tensors
    net.eval()
    with torch.no_grad():
        return (net(images).argmax(dim=1) == labels).float().mean().item()


def train(net, dataset, epochs, device):
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    loader = DataLoader(dataset, batch_size=32, shuffle=True)
    net.train()
    for _epoch in (progress := tqdm(range(epochs), desc="training")):
        total = 0.0
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            total += loss.detach()
        scheduler.step()
        progress.set_postfix(loss=f"{total.item() / len(loader):.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--save", default=os.path.join(tempfile.gettempdir(), "digits.pt"), help="where the weights go")
    args = parser.parse_args()

    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training, held_out = load()
    net = make_net().to(device)
    print(net)
    train(net, training, args.epochs, device)
    net.to("cpu")
    print(f"accuracy on {len(held_out)} held-out images: {accuracy(net, held_out):.1%}")

    torch.save(net.state_dict(), args.save)
    clone = make_net()
    clone.load_state_dict(torch.load(args.save))
    clone.eval()
    images = held_out.tensors[0]
    assert torch.equal(net(images), clone(images)), "the clone predicts something else"
    assert accuracy(clone, held_out) >= 0.95, "less than 95% of the held-out images were recognised"
    print(f"saved to {args.save}, reloaded into a clone: it predicts the same")


if __name__ == "__main__":
    main()
