"""A walk through the book's own module (d2l 1.0.3): every kind of model trained for a few steps, without plots or downloads."""

import sys

import standins
import torch
from reporting import report
from torch import nn

with standins.installed():
    from d2l import torch as d2l


class Tokens(d2l.DataModule):
    """Random sequences of tokens, each predicting the next one."""

    def __init__(self, vocab_size, batch_size=8, num_steps=6, num=32):
        super().__init__()
        self.save_hyperparameters()
        self.tokens = torch.randint(0, vocab_size, (num, num_steps + 1))

    def get_dataloader(self, train):
        return self.get_tensorloader((self.tokens[:, :-1], self.tokens[:, 1:]), train)


class Images(d2l.DataModule):
    """Random images of random classes."""

    def __init__(self, size, batch_size=8, num=24, channels=1):
        super().__init__()
        self.save_hyperparameters()
        self.images = torch.randn(num, channels, size, size)
        self.labels = torch.randint(0, 10, (num,))

    def get_dataloader(self, train):
        return self.get_tensorloader((self.images, self.labels), train)


class MLP(d2l.Classifier):
    """The multilayer perceptron of chapter 5."""

    def __init__(self, num_outputs, num_hiddens, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Flatten(), nn.LazyLinear(num_hiddens), nn.ReLU(), nn.Dropout(0.5), nn.LazyLinear(num_outputs)
        )


class ResNet(d2l.Classifier):
    """Two residual blocks and a head."""

    def __init__(self, lr=0.05):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.LazyConv2d(8, kernel_size=3, padding=1), nn.LazyBatchNorm2d(), nn.ReLU(),
            d2l.Residual(8), d2l.Residual(16, use_1x1conv=True, strides=2),
            d2l.ResNeXtBlock(16, 4, 1),
            nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.LazyLinear(10),
        )  # fmt: skip


class LSTMScratch(d2l.Module):
    """A long short-term memory written out."""

    def __init__(self, num_inputs, num_hiddens, sigma=0.1):
        super().__init__()
        self.save_hyperparameters()

        def triple():
            return (
                nn.Parameter(torch.randn(num_inputs, num_hiddens) * sigma),
                nn.Parameter(torch.randn(num_hiddens, num_hiddens) * sigma),
                nn.Parameter(torch.zeros(num_hiddens)),
            )

        self.W_xi, self.W_hi, self.b_i = triple()
        self.W_xf, self.W_hf, self.b_f = triple()
        self.W_xo, self.W_ho, self.b_o = triple()
        self.W_xc, self.W_hc, self.b_c = triple()

    def forward(self, inputs, H_C=None):
        shape = (inputs.shape[1], self.num_hiddens)
        H, C = H_C if H_C is not None else (torch.zeros(shape), torch.zeros(shape))
        outputs = []
        for X in inputs:
            gate_in = torch.sigmoid(torch.matmul(X, self.W_xi) + torch.matmul(H, self.W_hi) + self.b_i)
            forget = torch.sigmoid(torch.matmul(X, self.W_xf) + torch.matmul(H, self.W_hf) + self.b_f)
            out = torch.sigmoid(torch.matmul(X, self.W_xo) + torch.matmul(H, self.W_ho) + self.b_o)
            C = forget * C + gate_in * torch.tanh(torch.matmul(X, self.W_xc) + torch.matmul(H, self.W_hc) + self.b_c)
            H = out * torch.tanh(C)
            outputs.append(H)
        return outputs, (H, C)


class LSTM(d2l.RNN):
    """The same from the library."""

    def __init__(self, num_inputs, num_hiddens):
        d2l.Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = nn.LSTM(num_inputs, num_hiddens)


class Seq2SeqDecoder(d2l.Decoder):
    """The book's decoder: the encoder's last state is joined to every input."""

    def __init__(self, vocab_size, embed_size, num_hiddens, num_layers, dropout=0):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embed_size)
        self.rnn = d2l.GRU(embed_size + num_hiddens, num_hiddens, num_layers, dropout)
        self.dense = nn.LazyLinear(vocab_size)
        self.apply(d2l.init_seq2seq)

    def init_state(self, enc_all_outputs, *args):
        return enc_all_outputs

    def forward(self, X, state):
        embs = self.embedding(X.t().type(torch.int64))
        enc_output, hidden_state = state
        context = enc_output[-1].repeat(embs.shape[0], 1, 1)
        outputs, hidden_state = self.rnn(torch.cat((embs, context), -1), hidden_state)
        return self.dense(outputs).swapaxes(0, 1), [enc_output, hidden_state]


def fit(name, model, data, epochs=2, clip=0):
    """Train as the book does, and report the curve that its board would have drawn."""
    model.board.display = False
    trainer = d2l.Trainer(max_epochs=epochs, gradient_clip_val=clip)
    trainer.fit(model, data)
    for label, points in model.board.data.items():
        report(f"{name} {label}", [point.y for point in points])


def linear_models():
    torch.manual_seed(1)
    data = d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2, num_train=200, num_val=64)
    scratch = d2l.LinearRegressionScratch(2, lr=0.03)
    fit("linear scratch", scratch, data)
    report("linear scratch w b", scratch.w, scratch.b)
    concise = d2l.LinearRegression(lr=0.03)
    fit("linear", concise, data)
    report("linear w b", concise.get_w_b())
    images = Images(12)
    fit("softmax", d2l.SoftmaxRegression(10, lr=0.1), images)
    fit("mlp", MLP(10, 16, lr=0.1), images)


def convolutions():
    torch.manual_seed(2)
    images = Images(28)
    lenet = d2l.LeNet(lr=0.1)
    lenet.apply_init([next(iter(images.get_dataloader(True)))[0]], d2l.init_cnn)
    lenet.layer_summary((1, 1, 28, 28))
    fit("lenet", lenet, images)
    fit("resnet", ResNet(), Images(16, channels=3))
    report("corr2d", d2l.corr2d(torch.randn(4, 5), torch.tensor([[1.0, -1.0]])))
    net = d2l.resnet18(10)
    report("resnet18", net(torch.randn(2, 1, 16, 16)))


def recurrences():
    torch.manual_seed(3)
    tokens = Tokens(10)
    for name, rnn in (
        ("rnn scratch", d2l.RNNScratch(10, 8)), ("lstm scratch", LSTMScratch(10, 8)),
    ):  # fmt: skip
        fit(name, d2l.RNNLMScratch(rnn, 10, lr=1), tokens, clip=1)
    for name, rnn in (("rnn", d2l.RNN(10, 8)), ("gru", d2l.GRU(10, 8, 2)), ("lstm", LSTM(10, 8))):
        fit(name, d2l.RNNLM(rnn, 10, lr=1), tokens, clip=1)
    vocab = d2l.Vocab(list("the time machine"))
    model = d2l.RNNLM(d2l.RNN(len(vocab), 8), len(vocab))
    model.predict("it ha", 5, vocab)
    report("predict", vocab[list(model.predict("the ", 8, vocab))])


class Pairs(d2l.DataModule):
    """Random sentence pairs for the encoder and the decoder."""

    def __init__(self, batch_size=8, num=24):
        super().__init__()
        self.save_hyperparameters()
        self.arrays = (
            torch.randint(1, 12, (num, 5)), torch.randint(1, 12, (num, 5)), torch.randint(2, 6, (num,)),
            torch.randint(0, 12, (num, 5)),
        )  # fmt: skip

    def get_dataloader(self, train):
        return self.get_tensorloader(self.arrays, train)


def sequences():
    torch.manual_seed(4)
    encoder = d2l.Seq2SeqEncoder(12, 8, 16, 2, 0.1)
    decoder = Seq2SeqDecoder(12, 8, 16, 2, 0.1)
    model = d2l.Seq2Seq(encoder, decoder, tgt_pad=0, lr=0.01)
    data = Pairs()
    fit("seq2seq", model, data, clip=1)
    batch = next(iter(data.val_dataloader()))
    predicted, _ = model.predict_step(batch, d2l.cpu(), 5)
    report("seq2seq tokens", predicted)
    loss = d2l.MaskedSoftmaxCELoss()
    report("masked loss", loss(torch.ones(3, 4, 10), torch.ones((3, 4), dtype=torch.long), torch.tensor([4, 2, 0])))
    report("bleu", d2l.bleu("je suis chez moi", "je suis chez toi", k=2))


def attention():
    torch.manual_seed(5)
    report("masked softmax", d2l.masked_softmax(torch.rand(2, 2, 4), torch.tensor([[1, 3], [2, 4]])))
    queries, keys, values = torch.randn(2, 1, 2), torch.randn(2, 10, 2), torch.randn(2, 10, 4)
    lengths = torch.tensor([2, 6])
    report("dot product", d2l.DotProductAttention(dropout=0.5).eval()(queries, keys, values, lengths))
    report("additive", d2l.AdditiveAttention(8, dropout=0.1)(torch.randn(2, 1, 20), keys, values, lengths))
    heads = d2l.MultiHeadAttention(20, 5, 0.5)
    report("heads", heads(torch.ones(2, 4, 20), torch.ones(2, 6, 20), torch.ones(2, 6, 20), torch.tensor([3, 2])))
    report("positions", d2l.PositionalEncoding(8, 0)(torch.zeros(1, 6, 8)))
    encoder = d2l.TransformerEncoder(20, 16, 32, 4, 2, 0.5)
    out = encoder(torch.randint(0, 20, (2, 7)), torch.tensor([3, 2]))
    out.pow(2).mean().backward()
    report("encoder", out, encoder.attention_weights, encoder.embedding.weight.grad)


def bert():
    torch.manual_seed(6)
    net = d2l.BERTModel(30, num_hiddens=16, ffn_num_hiddens=32, num_heads=2, num_blks=2, dropout=0.2, max_len=12)
    tokens, segments = torch.randint(0, 30, (2, 8)), torch.randint(0, 2, (2, 8))
    positions, weights = torch.tensor([[1, 5, 2], [6, 1, 5]]), torch.ones(2, 3)
    labels, following = torch.randint(0, 30, (2, 3)), torch.tensor([0, 1])
    loss = nn.CrossEntropyLoss()
    net(tokens, segments, torch.tensor([8, 6]), positions)
    trainer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(3):
        trainer.zero_grad()
        losses = d2l._get_batch_loss_bert(
            net, loss, 30, tokens, segments, torch.tensor([8, 6]), positions, weights, labels, following
        )
        losses[-1].backward()
        trainer.step()
        report("bert", losses)


def boxes():
    torch.manual_seed(7)
    anchors = d2l.multibox_prior(torch.rand(1, 3, 4, 6), sizes=[0.75, 0.5, 0.25], ratios=[1, 2, 0.5])
    report("anchors", anchors)
    truth = torch.tensor([[0, 0.1, 0.08, 0.52, 0.92], [1, 0.55, 0.2, 0.9, 0.88]])
    some = torch.tensor([[0, 0.1, 0.2, 0.3], [0.15, 0.2, 0.4, 0.4], [0.63, 0.05, 0.88, 0.98], [0.66, 0.45, 0.8, 0.8]])
    report("targets", d2l.multibox_target(some.unsqueeze(0), truth.unsqueeze(0)))
    probabilities = torch.tensor([[0.0] * 4, [0.9, 0.8, 0.7, 0.1], [0.1, 0.2, 0.3, 0.9]])
    found = d2l.multibox_detection(probabilities.unsqueeze(0), torch.zeros(1, 16), some.unsqueeze(0), nms_threshold=0.5)
    report("detected", found)


def tools():
    torch.manual_seed(8)
    trail = d2l.train_2d(lambda a, b, s, t: (a - 0.2 * a, b - 0.4 * b, 0, 0), steps=5)
    report("train 2d", trail)
    sums = d2l.Accumulator(2)
    sums.add(torch.tensor(1.5), 2)
    report("sums", sums.data)
    timer = d2l.Timer()
    assert timer.stop() >= 0
    X, y = d2l.synthetic_data(torch.tensor([2, -3.4]), 4.2, 64)
    w, b = torch.zeros(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    for features, labels in d2l.load_array((X, y), 16):
        d2l.squared_loss(d2l.linreg(features, w, b), labels).sum().backward()
        d2l.sgd([w, b], 0.03, 16)
    report("sgd", w, b)
    report("rbf kernel", d2l.reduce_sum(d2l.eye(3) + d2l.ones((3, 3))), d2l.size(d2l.zeros((2, 5))))
    net_g, net_d = nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    loss = nn.BCEWithLogitsLoss(reduction="sum")
    trainer_g, trainer_d = (torch.optim.Adam(net.parameters(), lr=0.05) for net in (net_g, net_d))
    for _ in range(3):
        X, Z = torch.randn(8, 2), torch.normal(0, 1, (8, 2))
        report("gan", d2l.update_D(X, Z, net_d, net_g, loss, trainer_d), d2l.update_G(Z, net_d, net_g, loss, trainer_g))


PARTS = (linear_models, convolutions, recurrences, sequences, attention, bert, boxes, tools)

if __name__ == "__main__":
    for part in PARTS:
        if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
            part()
