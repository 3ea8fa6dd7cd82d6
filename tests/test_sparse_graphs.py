"""Networks on graphs, with the adjacency as a sparse matrix: the ways in which programs write them."""

from tests import twins

GRAPH = """
torch.manual_seed(0)
count, width, classes = 12, 6, 3
source, target = torch.randint(0, count, (40,)), torch.randint(0, count, (40,))
loops = torch.arange(count)
edges = torch.stack([torch.cat([source, loops]), torch.cat([target, loops])])
x, y = torch.randn(count, width), torch.randint(0, classes, (count,))

def train(net, inputs, steps=5):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    for step in range(steps):
        optimizer.zero_grad()
        loss = F.nll_loss(F.log_softmax(net(*inputs), 1), y)
        loss.backward()
        optimizer.step()
        print(round(loss.item(), 4))
    print({n: tuple(p.shape) for n, p in net.named_parameters()})
"""


def test_graph_convolutions():
    """A normalized adjacency, made by the old constructor or the new one, times features."""
    twins.check(GRAPH + """
class Convolution(nn.Module):
    def __init__(self, inputs, outputs, product):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(inputs, outputs) / 2), nn.Parameter(torch.zeros(outputs))
        self.product = product
    def forward(self, x, adjacency):
        return self.product(adjacency, torch.mm(x, self.weight)) + self.bias

class Net(nn.Module):
    def __init__(self, product):
        super().__init__()
        self.first, self.second = Convolution(width, 8, product), Convolution(8, classes, product)
    def forward(self, x, adjacency):
        return self.second(F.relu(self.first(x, adjacency)), adjacency)

plain = torch.sparse.FloatTensor(edges, torch.ones(edges.shape[1]), torch.Size([count, count])).coalesce()
degree = torch.sparse.sum(plain, 1).to_dense()
row, column = plain.indices()
scaled = plain.values() * degree[row].pow(-0.5) * degree[column].pow(-0.5)
adjacency = torch.sparse_coo_tensor(plain.indices(), scaled, plain.shape)
for product in (torch.spmm, torch.sparse.mm, torch.mm, torch.matmul, lambda a, b: a @ b):
    torch.manual_seed(1)
    train(Net(product), (x, adjacency), 2)
torch.manual_seed(1)
train(Net(torch.mm), (x, adjacency.to_sparse_csr()))
print(torch.spmm(adjacency.t(), x)[:2])
""")


def test_attention_on_edges():
    """Weights of edges from a sparse softmax, and the product in a Function of its own."""
    twins.check(GRAPH + """
class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, indices, values, shape, b):
        a = torch.sparse_coo_tensor(indices, values, shape)
        ctx.save_for_backward(a, b)
        ctx.N = shape[0]
        return torch.matmul(a, b)
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        at = a._indices()
        return None, (g[at[0]] * b[at[1]]).sum(1), None, a.t().matmul(g)

class Attention(nn.Module):
    def __init__(self, special):
        super().__init__()
        self.special = special
        self.project, self.score = nn.Linear(width, 8), nn.Parameter(torch.randn(16) / 4)
        self.out = nn.Linear(8, classes)
    def forward(self, x, edges):
        h = self.project(x)
        e = F.leaky_relu(torch.cat([h[edges[0]], h[edges[1]]], 1) @ self.score)
        if self.special:
            w = torch.exp(-e)
            total = Product.apply(edges, w, torch.Size([count, count]), torch.ones(count, 1))
            h = Product.apply(edges, w, torch.Size([count, count]), h) / total
        else:
            weights = torch.sparse.softmax(torch.sparse_coo_tensor(edges, e, (count, count)), 1)
            h = torch.sparse.mm(weights, h)
        return self.out(F.elu(h))

edges = torch.unique(edges, dim=1)
for special in (True, False):
    torch.manual_seed(1)
    train(Attention(special), (x, edges))
""")


def test_messages():
    """Mean aggregation by a CSR product, and a learned weight of each edge."""
    twins.check(GRAPH + """
class Sage(nn.Module):
    def __init__(self):
        super().__init__()
        self.own, self.others = nn.Linear(width, classes), nn.Linear(width, classes)
        self.strength = nn.Parameter(torch.ones(distinct.shape[1]))
    def forward(self, x):
        adjacency = torch.sparse_coo_tensor(distinct, self.strength, (count, count))
        return self.own(x) + self.others(torch.sparse.mm(adjacency, x)) + torch.sparse.mm(means, self.others(x), "mean")

distinct = torch.unique(edges, dim=1)
means = torch.sparse_coo_tensor(distinct, torch.ones(distinct.shape[1]), (count, count)).to_sparse_csr()
torch.manual_seed(1)
net = Sage()
net.register_buffer("means", means)
train(net, (x,))
print(net.strength.grad.shape, net.strength[:3])
""")
