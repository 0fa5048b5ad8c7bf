"""One PyTorch network at a time, as it is usually written: Sequential, autograd, torch.optim.Adam. One thread.

It runs in our environment, which has torch.
"""

from itertools import pairwise

from protocol import Candidate, serve

ROWS, BATCH = 1000, 100


def groups(question):
    """Returns the only candidate."""
    return [[Candidate("Sequential, autograd, Adam", 1, lambda: trainer(tuple(question["hidden"])))]]


def trainer(hidden):
    """Returns a function that continues training a network."""
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(
        True
    )  # in the peer's favour: denormal moments of dead units would slow it down from step 800 on
    torch.manual_seed(0)
    layers = []
    for inputs, outputs in pairwise((1, *hidden, 1)):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    x_NI = torch.linspace(0.001, 1, ROWS)[:, None]
    y_NO = x_NI**2

    def run(steps):
        for _ in range(steps * BATCH // ROWS):
            for rows in torch.randperm(ROWS).split(BATCH):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(network(x_NI[rows]), y_NO[rows]).backward()
                optimizer.step()

    return run


if __name__ == "__main__":
    serve(groups)
