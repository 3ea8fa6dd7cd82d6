"""What the best JAX programmer would write for some workloads: one jax.jit with donation."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def _sgd_step(widths, batch, lr):
    rng = np.random.default_rng(0)
    params = [
        (jnp.asarray(rng.normal(0, a**-0.5, (a, b)), jnp.float32), jnp.zeros(b, jnp.float32))
        for a, b in zip(widths, widths[1:])
    ]
    x = jnp.asarray(rng.normal(size=(batch, widths[0])), jnp.float32)
    labels = jnp.asarray(rng.integers(0, widths[-1], batch))

    def loss_of(params):
        y = x
        for w, b in params[:-1]:
            y = jax.nn.relu(y @ w + b)
        w, b = params[-1]
        return -jnp.take_along_axis(jax.nn.log_softmax(y @ w + b), labels[:, None], 1).mean()

    @partial(jax.jit, donate_argnums=0)
    def update(params):
        loss, grads = jax.value_and_grad(loss_of)(params)
        return jax.tree.map(lambda p, g: p - lr * g, params, grads), loss

    state = [params]

    def step():
        state[0], loss = update(state[0])
        return loss

    return step


WORKLOADS = {
    "sgd_20_256_10": lambda: _sgd_step((20, 256, 10), 2, 0.01),
    "sgd_784_256_10": lambda: _sgd_step((784, 256, 10), 256, 0.01),
    "sgd_50_layers": lambda: _sgd_step((32,) * 51, 32, 0.01),
}
