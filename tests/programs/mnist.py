"""Digits the way PyTorch's own first example trains them, on random images: argparse, a data loader, Adadelta and StepLR."""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from reporting import report
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset


class RandomDigits(Dataset):
    """As many images as asked, always the same ones."""

    def __init__(self, count, seed):
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.rand(count, 1, 28, 28, generator=generator)
        self.labels = torch.randint(0, 10, (count,), generator=generator)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return (self.images[index] - 0.1307) / 0.3081, int(self.labels[index])


class ConvNet(nn.Module):
    """Two convolutions, pooling, dropout and two dense layers."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, 1)
        self.second = nn.Conv2d(4, 8, 3, 1)
        self.drop_maps, self.drop_units = nn.Dropout2d(0.25), nn.Dropout(0.5)
        self.dense = nn.Linear(8 * 12 * 12, 16)
        self.classes = nn.Linear(16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.second(F.relu(self.first(x)))), 2)
        x = torch.flatten(self.drop_maps(x), 1)
        x = self.classes(self.drop_units(F.relu(self.dense(x))))
        return F.log_softmax(x, dim=1)


def train(model, device, loader, optimizer, epoch):
    model.train()
    for batch, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        report(f"epoch {epoch} batch {batch}", loss.item())


def test(model, device, loader):
    model.eval()
    loss, correct = 0, 0
    with torch.no_grad():
        for images, labels in loader:
            output = model(images.to(device))
            loss += F.nll_loss(output, labels.to(device), reduction="sum").item()
            guess = output.argmax(dim=1, keepdim=True)
            correct += guess.eq(labels.view_as(guess)).sum().item()
    report("test", loss / len(loader.dataset), correct)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.7)
    parser.add_argument("--no-accel", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-model", default="")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    use_accelerator = not args.no_accel and torch.accelerator.is_available()
    device = torch.accelerator.current_accelerator() if use_accelerator else torch.device("cpu")
    options = {"batch_size": args.batch_size}
    if use_accelerator:
        options.update({"num_workers": 1, "persistent_workers": True, "pin_memory": True})
    train_loader = DataLoader(RandomDigits(64, 5), shuffle=True, **options)
    test_loader = DataLoader(RandomDigits(32, 6), **options)

    model = ConvNet().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for epoch in range(1, args.epochs + 1):
        train(model, device, train_loader, optimizer, epoch)
        test(model, device, test_loader)
        scheduler.step()
        report("learning rate", scheduler.get_last_lr())
    if args.save_model:
        torch.save(model.state_dict(), args.save_model)
        again = ConvNet()
        again.load_state_dict(torch.load(args.save_model, map_location="cpu", weights_only=True))
        test(again.to(device), device, test_loader)


if __name__ == "__main__":
    main()
