"""Python loops over small tensors: integration, recurrences, reading and writing of single elements."""

from __future__ import annotations

import numpy as np

from . import loop


def _lotka(torch, x, a):
    return torch.stack((a[0] * x[0] - a[1] * x[0] * x[1], a[2] * x[0] * x[1] - a[3] * x[1]))


@loop
def euler(torch):
    """Euler's method, 1,000 steps, without gradients"""
    a = torch.tensor([1.1, 0.4, 0.1, 0.4])

    def step():
        x = torch.tensor([10.0, 5.0])
        for _ in range(1000):
            x = x + 0.01 * _lotka(torch, x, a)
        return x.tolist()

    return step


@loop
def euler_fitted(torch):
    """Euler's method, 200 steps, and a gradient of its end in its parameters"""
    a = torch.tensor([1.1, 0.4, 0.1, 0.4], requires_grad=True)
    optimizer = torch.optim.Adam([a], lr=1e-3)

    def step():
        x, path = torch.tensor([10.0, 5.0]), []
        for _ in range(200):
            x = x + 0.01 * _lotka(torch, x, a)
            path.append(x)
        loss = (torch.stack(path)[-1] - torch.tensor([5.0, 2.0])).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@loop
def adaptive(torch):
    """an adaptive integrator: the step's length depends on an error that is read"""

    def f(x):
        return torch.stack((x[1], (1 - x[0] ** 2) * x[1] - x[0]))

    def step():
        x, t, h = torch.tensor([2.0, 0.0]), 0.0, 0.1
        for _ in range(100):
            k1 = f(x)
            k2 = f(x + h * k1)
            error = (0.5 * h * (k2 - k1)).abs().max().item()
            if error < 1e-2:
                x, t = x + 0.5 * h * (k1 + k2), t + h
            h *= min(2.0, max(0.3, 0.9 * (1e-2 / (error + 1e-12)) ** 0.5))
        return t

    return step


@loop
def gram_schmidt(torch):
    """Gram-Schmidt on 16 vectors, columns written in place"""
    torch.manual_seed(0)
    a = torch.randn(32, 16)

    def step():
        q = torch.zeros(32, 16)
        for j in range(16):
            v = a[:, j].clone()
            for i in range(j):
                v -= (q[:, i] @ a[:, j]) * q[:, i]
            q[:, j] = v / v.norm()
        return q

    return step


@loop
def table(torch):
    """edit distance by a table whose elements are read and written one by one"""

    def step():
        one, two = "kuai reads like", "starts like one"
        d = torch.zeros(len(one) + 1, len(two) + 1)
        d[:, 0], d[0, :] = torch.arange(len(one) + 1.0), torch.arange(len(two) + 1.0)
        for i in range(1, len(one) + 1):
            for j in range(1, len(two) + 1):
                cost = 0.0 if one[i - 1] == two[j - 1] else 1.0
                d[i, j] = min(d[i - 1, j].item() + 1, d[i, j - 1].item() + 1, d[i - 1, j - 1].item() + cost)
        return d[-1, -1].item()

    return step


@loop
def elements_read(torch):
    """1,000 elements read one by one: x[i, j].item(), and tolist() of rows"""
    torch.manual_seed(0)
    x = torch.rand(25, 40)

    def step():
        total = 0.0
        for i in range(25):
            for j in range(40):
                total += x[i, j].item()
        return total + sum(sum(row.tolist()) for row in x)

    return step


@loop
def branches(torch):
    """50 small ops with control flow that depends on their values"""
    torch.manual_seed(0)
    w = torch.randn(8, 8)

    def step():
        x = torch.ones(8)
        for i in range(50):
            x = torch.tanh(w @ x)
            if x.sum() > 0:
                x = x * 1.5
            else:
                x = x - 0.1 * i
        return x.mean().item()

    return step


@loop
def to_numpy_and_back(torch):
    """50 rounds from NumPy to tensors and back, with an in-place edit on either side"""
    chance = np.random.default_rng(0)
    w = torch.ones(16, 16) / 16

    def step():
        x = chance.standard_normal((4, 16)).astype(np.float32)
        for _ in range(50):
            y = torch.from_numpy(x) @ w
            y.clamp_(-1, 1)
            x = y.numpy()
            x += 0.01
        return x

    return step


@loop
def recurrence(torch):
    """an RNN cell written by hand, 30 steps, outputs written into a tensor, and its training step"""
    torch.manual_seed(0)
    w, u = (torch.nn.Parameter(0.1 * torch.randn(16, 16)) for _ in range(2))
    x, optimizer = torch.randn(30, 8, 16), torch.optim.RMSprop([w, u], lr=1e-3)

    def step():
        h, out = torch.zeros(8, 16), torch.zeros(30, 8, 16)
        for t in range(30):
            h = torch.tanh(x[t] @ w + h @ u)
            out[t] = h
        loss = (out - x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
