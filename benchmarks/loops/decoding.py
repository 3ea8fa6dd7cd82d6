"""Decoding token by token: shapes that grow, choices that the next step needs."""

from __future__ import annotations

from . import loop


@loop
def cached_decoding(torch):
    """greedy decoding of 30 tokens by a small transformer, keys and values grown by cat"""
    nn = torch.nn
    torch.manual_seed(0)
    embedding, head = nn.Embedding(50, 32), nn.Linear(32, 50)
    layers = [(nn.Linear(32, 96), nn.Linear(32, 32), nn.Linear(32, 64), nn.Linear(64, 32), nn.LayerNorm(32)) for _ in range(2)]

    @torch.no_grad()
    def step():
        token, tokens = torch.zeros(1, 1, dtype=torch.long), []
        kept = [None] * len(layers)
        for _ in range(30):
            x = embedding(token)
            for i, (inward, outward, up, down, norm) in enumerate(layers):
                q, k, v = inward(norm(x)).view(1, 1, 3, 4, 8).permute(2, 0, 3, 1, 4)
                if kept[i] is not None:
                    k, v = torch.cat((kept[i][0], k), 2), torch.cat((kept[i][1], v), 2)
                kept[i] = k, v
                mixed = torch.softmax(q @ k.transpose(-2, -1) / 8**0.5, -1) @ v
                x = x + outward(mixed.transpose(1, 2).reshape(1, 1, 32))
                x = x + down(torch.relu(up(norm(x))))
            token = head(x[:, -1]).argmax(-1, keepdim=True)
            tokens.append(token.item())
        return tokens

    return step


@loop
def beams(torch):
    """beam search of 20 steps with a GRU cell, four beams"""
    nn = torch.nn
    torch.manual_seed(0)
    embedding, cell, head = nn.Embedding(50, 32), nn.GRUCell(32, 32), nn.Linear(32, 50)

    @torch.no_grad()
    def step():
        hidden, scores = torch.zeros(4, 32), torch.tensor([0.0, -1e9, -1e9, -1e9])
        tokens = torch.zeros(4, 1, dtype=torch.long)
        for _ in range(20):
            hidden = cell(embedding(tokens[:, -1]), hidden)
            logs = torch.log_softmax(head(hidden), -1) + scores[:, None]
            scores, places = logs.view(-1).topk(4)
            beam, token = places // 50, places % 50
            hidden, tokens = hidden[beam], torch.cat([tokens[beam], token[:, None]], 1)
            if (token == 49).all():
                break
        return tokens[0].tolist()

    return step


@loop
def sampled_text(torch):
    """a character RNN sampled for 30 tokens with temperature and top-k"""
    nn = torch.nn
    torch.manual_seed(0)
    embedding, lstm, head = nn.Embedding(50, 32), nn.LSTM(32, 64), nn.Linear(64, 50)

    def step():
        out, state, token = [], None, torch.tensor([[0]])
        with torch.inference_mode():
            for _ in range(30):
                y, state = lstm(embedding(token), state)
                logits = head(y[-1, 0]) / 0.8
                best, _ = torch.topk(logits, 10)
                logits[logits < best[-1]] = -float("inf")
                token = torch.multinomial(torch.softmax(logits, -1), 1).view(1, 1)
                out.append(token.item())
        return out

    return step
