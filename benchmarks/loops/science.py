"""Scientific code: optimisation, inference and equations on small problems."""

from __future__ import annotations

import math

from . import loop


@loop
def lbfgs(torch):
    """LBFGS with line search on Rosenbrock's function, 20 iterations"""

    def step():
        x = torch.tensor([-1.2, 1.0, -0.5, 0.8], requires_grad=True)
        optimizer = torch.optim.LBFGS([x], max_iter=20, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
            loss.backward()
            return loss

        return optimizer.step(closure).item()

    return step


@loop
def newton(torch):
    """Newton's method with hessian and linalg.solve, 10 iterations"""

    def f(x):
        return ((x**2 - torch.tensor([1.0, 2.0, 3.0])) ** 2).sum() + 0.1 * x.prod()

    def step():
        x = torch.tensor([2.0, 2.0, 2.0])
        for _ in range(10):
            h = torch.autograd.functional.hessian(f, x)
            g = torch.autograd.functional.jacobian(f, x)
            move = torch.linalg.solve(h, g)
            x = x - move
            if move.norm() < 1e-8:
                break
        return x.tolist()

    return step


@loop
def kmeans(torch):
    """k-means, 10 iterations: cdist, argmin, means by boolean masks"""
    torch.manual_seed(0)
    points = torch.randn(300, 2)

    def step():
        centers = points[:5].clone()
        for _ in range(10):
            nearest = torch.cdist(points, centers).argmin(1)
            for k in range(5):
                mask = nearest == k
                if mask.any():
                    centers[k] = points[mask].mean(0)
        return centers

    return step


@loop
def gaussian_process(torch):
    """a Gaussian process's hyperparameters: Cholesky, its solve, log determinant"""
    torch.manual_seed(0)
    x = torch.linspace(0, 1, 40, dtype=torch.float64)[:, None]
    y = torch.sin(6 * x[:, 0]) + 0.1 * torch.randn(40, dtype=torch.float64)
    log_scale, log_noise = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (-1.0, -2.0))
    optimizer = torch.optim.Adam([log_scale, log_noise], lr=0.01)

    def step():
        optimizer.zero_grad()
        k = torch.exp(-0.5 * ((x - x.T) / log_scale.exp()) ** 2) + log_noise.exp() ** 2 * torch.eye(40, dtype=torch.float64)
        factor = torch.linalg.cholesky(k)
        alpha = torch.cholesky_solve(y[:, None], factor)
        loss = 0.5 * (y @ alpha[:, 0]) + factor.diagonal().log().sum() + 20 * math.log(2 * math.pi)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@loop
def pinn(torch):
    """a physics-informed network: second derivatives by create_graph"""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        x = torch.rand(64, 1, requires_grad=True)
        u = model(x)
        (first,) = torch.autograd.grad(u, x, torch.ones_like(u), create_graph=True)
        (second,) = torch.autograd.grad(first, x, torch.ones_like(first), create_graph=True)
        loss = ((second + u) ** 2).mean() + ((model(torch.zeros(1, 1)) - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@loop
def factorization(torch):
    """matrix factorisation by sparse embeddings, a batch of ratings a step"""
    torch.manual_seed(0)
    users, films = torch.nn.Embedding(500, 16, sparse=True), torch.nn.Embedding(300, 16, sparse=True)
    optimizer = torch.optim.SparseAdam([*users.parameters(), *films.parameters()], lr=0.01)

    def step():
        u, f, r = torch.randint(0, 500, (64,)), torch.randint(0, 300, (64,)), torch.rand(64)
        loss = (((users(u) * films(f)).sum(1) - r) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@loop
def metropolis(torch):
    """Metropolis: 100 proposals, each accepted or not in Python"""
    torch.manual_seed(0)

    def energy(x):
        return 0.5 * (x**2).sum() + 0.1 * (x**4).sum()

    def step():
        x, kept = torch.zeros(3), []
        e = energy(x)
        for _ in range(100):
            moved = x + 0.5 * torch.randn(3)
            new = energy(moved)
            if torch.rand(()) < torch.exp(e - new):
                x, e = moved, new
            kept.append(x)
        return torch.stack(kept).mean(0).tolist()

    return step


@loop
def hamiltonian(torch):
    """Hamiltonian Monte Carlo: 10 samples of 10 leapfrog steps, gradients by autograd"""
    torch.manual_seed(0)

    def gradient(x):
        x = x.detach().requires_grad_()
        e = 0.5 * (x**2).sum() + 0.1 * (x**4).sum()
        return e.detach(), torch.autograd.grad(e, x)[0]

    def step():
        x, accepted = torch.zeros(5), 0
        for _ in range(10):
            p = torch.randn(5)
            e, g = gradient(x)
            start, y, q = e + 0.5 * (p @ p), x, p
            for _ in range(10):
                q = q - 0.05 * g
                y = y + 0.1 * q
                e, g = gradient(y)
                q = q - 0.05 * g
            if torch.rand(1).log().item() < (start - e - 0.5 * (q @ q)).item():
                x, accepted = y, accepted + 1
        return accepted

    return step


@loop
def power_iteration(torch):
    """the largest eigenvalue by power iteration until it converges"""
    torch.manual_seed(0)
    a = torch.randn(50, 50)
    a = a @ a.T

    def step():
        v, old = torch.ones(50), 0.0
        for _ in range(100):
            v = a @ v
            v = v / v.norm()
            value = (v @ a @ v).item()
            if abs(value - old) < 1e-4 * abs(value):
                break
            old = value
        return value

    return step
