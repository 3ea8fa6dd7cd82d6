"""Reinforcement learning: acting on single observations, replay, and the updates of the usual methods."""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from . import loop
from .training import net


@loop
def act_discrete(torch):
    """an act: one observation, Categorical, its sample and log_prob read"""
    model, chance = net(torch, 4, 64, 2), np.random.default_rng(0)

    def step():
        seen = torch.as_tensor(chance.standard_normal(4).astype(np.float32))
        with torch.no_grad():
            chosen = torch.distributions.Categorical(logits=model(seen))
            action = chosen.sample()
            return action.item(), chosen.log_prob(action).item()

    return step


@loop
def act_continuous(torch):
    """an act: one observation, Normal, its sample as NumPy and log_prob read"""
    model, chance = net(torch, 8, 64, 2), np.random.default_rng(0)
    log_std = torch.nn.Parameter(torch.zeros(2))

    def step():
        seen = torch.from_numpy(chance.standard_normal(8).astype(np.float32)).unsqueeze(0)
        with torch.no_grad():
            chosen = torch.distributions.Normal(model(seen), log_std.exp())
            action = chosen.sample()
            return action.numpy()[0], chosen.log_prob(action).sum(-1).item()

    return step


@loop
def greedy_act(torch):
    """a greedy act of DQN: one observation, argmax read"""
    model, chance = net(torch, 4, 64, 2), np.random.default_rng(0)

    def step():
        with torch.no_grad():
            return int(model(torch.FloatTensor(chance.standard_normal(4)).unsqueeze(0)).argmax(dim=1)[0])

    return step


@loop
def reinforce(torch):
    """REINFORCE: an episode of 40 acts whose log_probs are kept, then one update"""
    model, chance = net(torch, 4, 32, 2), np.random.default_rng(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        logs, rewards = [], []
        for _ in range(40):
            seen = torch.from_numpy(chance.standard_normal(4).astype(np.float32))
            chosen = torch.distributions.Categorical(logits=model(seen))
            action = chosen.sample()
            logs.append(chosen.log_prob(action))
            rewards.append(float(action.item()))
        returns = torch.tensor(rewards).flip(0).cumsum(0).flip(0)
        returns = (returns - returns.mean()) / (returns.std() + 1e-6)
        loss = -(torch.stack(logs) * returns).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _replay(chance, n=1000, width=4):
    return [(chance.standard_normal(width).astype(np.float32), int(chance.integers(2)), float(chance.standard_normal()),
             chance.standard_normal(width).astype(np.float32), bool(chance.random() < 0.05)) for _ in range(n)]  # fmt: skip


@loop
def dqn(torch):
    """DQN: a batch drawn from a list of transitions, an update, the target moved softly"""
    model, chance = net(torch, 4, 64, 2), np.random.default_rng(0)
    target, optimizer, memory = deepcopy(model), torch.optim.Adam(model.parameters(), lr=1e-3), _replay(chance)

    def step():
        seen, action, reward, after, done = zip(*[memory[i] for i in chance.integers(0, 1000, 32)])
        seen, after = torch.from_numpy(np.stack(seen)), torch.from_numpy(np.stack(after))
        action, reward, done = torch.tensor(action), torch.tensor(reward), torch.tensor(done, dtype=torch.float32)
        value = model(seen).gather(1, action[:, None]).squeeze(1)
        with torch.no_grad():
            aim = reward + 0.99 * (1 - done) * target(after).max(1).values
        loss = torch.nn.functional.smooth_l1_loss(value, aim)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(model.parameters(), 10)
        optimizer.step()
        for old, new in zip(target.parameters(), model.parameters()):
            old.data.copy_(0.995 * old.data + 0.005 * new.data)
        return loss.item()

    return step


@loop
def ppo(torch):
    """PPO: an update of actor and critic on a shuffled minibatch"""
    actor, critic = net(torch, 8, 64, 4), net(torch, 8, 64, 1)
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=3e-4, eps=1e-5)
    seen, actions, logs = torch.randn(256, 8), torch.randint(0, 4, (256,)), torch.randn(256) * 0.1 - 1.4
    gains, returns, order = torch.randn(256), torch.randn(256), np.random.default_rng(0)

    def step():
        chosen = order.permutation(256)[:64]
        spread = torch.distributions.Categorical(logits=actor(seen[chosen]))
        ratio = (spread.log_prob(actions[chosen]) - logs[chosen]).exp()
        gain = gains[chosen]
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        policy = torch.max(-gain * ratio, -gain * torch.clamp(ratio, 0.8, 1.2)).mean()
        loss = policy + 0.5 * ((critic(seen[chosen]).view(-1) - returns[chosen]) ** 2).mean() - 0.01 * spread.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        optimizer.step()
        return loss.item(), ((ratio - 1).abs() > 0.2).float().mean().item()

    return step


@loop
def sac(torch):
    """SAC: two critics, a squashed Normal by rsample, targets moved softly"""
    actor, one, two = net(torch, 8, 64, 4), net(torch, 10, 64, 1), net(torch, 10, 64, 1)
    targets = deepcopy(one), deepcopy(two)
    by_critics = torch.optim.Adam([*one.parameters(), *two.parameters()], lr=3e-4)
    by_actor, chance = torch.optim.Adam(actor.parameters(), lr=3e-4), np.random.default_rng(0)
    memory = [chance.standard_normal((1000, n)).astype(np.float32) for n in (8, 2, 1, 8)]

    def act(seen):
        mean, log_std = actor(seen).chunk(2, dim=-1)
        spread = torch.distributions.Normal(mean, log_std.clamp(-5, 2).exp())
        raw = spread.rsample()
        action = torch.tanh(raw)
        return action, (spread.log_prob(raw) - torch.log(1 - action.pow(2) + 1e-6)).sum(1, keepdim=True)

    def step():
        rows = chance.integers(0, 1000, 64)
        seen, action, reward, after = [torch.as_tensor(m[rows]) for m in memory]
        with torch.no_grad():
            following, log = act(after)
            both = torch.cat([after, following], 1)
            aim = reward + 0.99 * (torch.min(targets[0](both), targets[1](both)) - 0.2 * log)
        both = torch.cat([seen, action], 1)
        lost = torch.nn.functional.mse_loss(one(both), aim) + torch.nn.functional.mse_loss(two(both), aim)
        by_critics.zero_grad()
        lost.backward()
        by_critics.step()
        made, log = act(seen)
        both = torch.cat([seen, made], 1)
        regret = (0.2 * log - torch.min(one(both), two(both))).mean()
        by_actor.zero_grad()
        regret.backward()
        by_actor.step()
        with torch.no_grad():
            for model, target in zip((one, two), targets):
                for p, t in zip(model.parameters(), target.parameters()):
                    t.data.mul_(0.995).add_(0.005 * p.data)
        return lost.item(), regret.item()

    return step
