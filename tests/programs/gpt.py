"""A small GPT written as its best known short implementations are, trained on random tokens and sampled from."""

import inspect
import math
import sys
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn as nn
from reporting import report
from torch.nn import functional as F


@dataclass
class Config:
    block_size: int = 16
    vocab_size: int = 40
    n_layer: int = 2
    n_head: int = 4
    n_embd: int = 32
    dropout: float = 0.1
    bias: bool = False
    flash: bool = True


class LayerNorm(nn.Module):
    """Layer normalisation whose bias is optional."""

    def __init__(self, size, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class SelfAttention(nn.Module):
    """Causal attention, fused or by hand."""

    def __init__(self, config):
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.attn_dropout, self.resid_dropout = nn.Dropout(config.dropout), nn.Dropout(config.dropout)
        self.n_head, self.dropout = config.n_head, config.dropout
        self.flash = config.flash and hasattr(torch.nn.functional, "scaled_dot_product_attention")
        if not self.flash:
            lower = torch.tril(torch.ones(config.block_size, config.block_size))
            self.register_buffer("mask", lower.view(1, 1, config.block_size, config.block_size))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = (part.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for part in self.qkv(x).split(C, dim=2))
        if self.flash:
            dropout = self.dropout if self.training else 0
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=dropout, is_causal=True)
        else:
            scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
            scores = scores.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
            y = self.attn_dropout(F.softmax(scores, dim=-1)) @ v
        return self.resid_dropout(self.proj(y.transpose(1, 2).contiguous().view(B, T, C)))


class Block(nn.Module):
    """Attention, then a feed-forward network, each behind a normalisation."""

    def __init__(self, config):
        super().__init__()
        self.ln_1, self.attn = LayerNorm(config.n_embd, bias=config.bias), SelfAttention(config)
        self.ln_2 = LayerNorm(config.n_embd, bias=config.bias)
        self.mlp = nn.ModuleDict(
            {
                "fc": nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias),
                "gelu": nn.GELU(),
                "proj": nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias),
                "dropout": nn.Dropout(config.dropout),
            }
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        m = self.mlp
        return x + m.dropout(m.proj(m.gelu(m.fc(self.ln_2(x)))))


class GPT(nn.Module):
    """Embeddings, blocks and a head that shares the embedding's weight."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.body = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "drop": nn.Dropout(config.dropout),
                "h": nn.ModuleList([Block(config) for _ in range(config.n_layer)]),
                "ln_f": LayerNorm(config.n_embd, bias=config.bias),
            }
        )
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.body.wte.weight = self.head.weight
        self.apply(self._init_weights)
        for name, p in self.named_parameters():
            if name.endswith("proj.weight"):
                torch.nn.init.normal_(p, mean=0.0, std=0.02 / math.sqrt(2 * config.n_layer))

    def get_num_params(self, non_embedding=True):
        return sum(p.numel() for p in self.parameters()) - self.body.wpe.weight.numel() * non_embedding

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        B, T = idx.size()
        assert self.config.block_size >= T, f"{T} tokens, but the block size is {self.config.block_size}"
        pos = torch.arange(0, T, dtype=torch.long, device=idx.device)
        x = self.body.drop(self.body.wte(idx) + self.body.wpe(pos))
        for block in self.body.h:
            x = block(x)
        x = self.body.ln_f(x)
        if targets is None:
            return self.head(x[:, [-1], :]), None
        logits = self.head(x)
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)

    def crop_block_size(self, block_size):
        self.config.block_size = block_size
        self.body.wpe.weight = nn.Parameter(self.body.wpe.weight[:block_size])
        for block in self.body.h:
            if hasattr(block.attn, "mask"):
                block.attn.mask = block.attn.mask[:, :, :block_size, :block_size]

    def configure_optimizers(self, weight_decay, learning_rate, betas, device_type):
        params = {name: p for name, p in self.named_parameters() if p.requires_grad}
        groups = [
            {"params": [p for p in params.values() if p.dim() >= 2], "weight_decay": weight_decay},
            {"params": [p for p in params.values() if p.dim() < 2], "weight_decay": 0.0},
        ]
        fused = "fused" in inspect.signature(torch.optim.AdamW).parameters and device_type == "cuda"
        extra = {"fused": True} if fused else {}
        return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, **extra)

    @torch.no_grad()
    def generate(self, idx, max_new_tokens, temperature=1.0, top_k=None):
        for _ in range(max_new_tokens):
            cond = idx if idx.size(1) <= self.config.block_size else idx[:, -self.config.block_size :]
            logits, _ = self(cond)
            logits = logits[:, -1, :] / temperature
            if top_k is not None:
                v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
                logits[logits < v[:, [-1]]] = -float("Inf")
            idx = torch.cat((idx, torch.multinomial(F.softmax(logits, dim=-1), num_samples=1)), dim=1)
        return idx


def learning_rate(it, warmup=2, decay=8, high=1e-2, low=1e-3):
    """Linear warm-up, then a cosine."""
    if it < warmup:
        return high * (it + 1) / (warmup + 1)
    ratio = min((it - warmup) / (decay - warmup), 1)
    return low + 0.5 * (1.0 + math.cos(math.pi * ratio)) * (high - low)


def train(name, model, data, ctx, steps=6, accumulate=2):
    """Steps of the usual loop: accumulated, scaled and clipped gradients, the rate set by hand."""
    optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.95), "cpu")
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    compiled = torch.compile(model) if "--compile" in sys.argv else model
    block = model.config.block_size
    for it in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(it)
        for _ in range(accumulate):
            ix = torch.randint(len(data) - block, (4,))
            x = torch.stack([data[i : i + block] for i in ix])
            y = torch.stack([data[i + 1 : i + 1 + block] for i in ix])
            with ctx:
                _, loss = compiled(x, y)
            scaler.scale(loss / accumulate).backward()
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad(set_to_none=True)
        report(f"{name} step {it}", loss, norm)


@torch.no_grad()
def estimate(model, data):
    model.eval()
    block = model.config.block_size
    losses = torch.zeros(3)
    for k in range(3):
        losses[k] = model(data[k : k + block][None], data[k + 1 : k + 1 + block][None])[1].item()
    model.train()
    return losses.mean()


def run(name, config, ctx):
    torch.manual_seed(1337)
    data = torch.randint(config.vocab_size, (300,))
    model = GPT(config)
    print(name, model.get_num_params(), [n for n, _ in model.named_parameters()])
    train(name, model, data, ctx)
    report(f"{name} estimate", estimate(model, data))
    model.crop_block_size(8)
    model.eval()
    with torch.inference_mode():
        report(f"{name} text", model.generate(torch.zeros((1, 1), dtype=torch.long), 12, temperature=0.8, top_k=10))
    report(f"{name} greedy", model.generate(torch.ones((2, 3), dtype=torch.long), 5, top_k=1))


if __name__ == "__main__":
    run("fused", Config(dropout=0.0), nullcontext())
    run("by hand", Config(flash=False, bias=True), nullcontext())
    run("half", Config(dropout=0.0, n_layer=1), torch.amp.autocast(device_type="cpu", dtype=torch.bfloat16))
