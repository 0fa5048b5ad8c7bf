"""PyTorch's documented way to train ensembles: functional_call, grad and vmap of torch.func, at its best pack size.

One thread. The optimizer is torch's own Adam on the stacked parameters. It runs in our environment, which has torch.
"""

from functools import partial
from itertools import pairwise

from protocol import Candidate, serve

ROWS, BATCH = 1000, 100
PACKS = (1, 4, 16, 32, 64, 128, 256, 1024)


def groups(question):
    """Returns one group: packs of growing size."""
    make = partial(trainer, tuple(question["hidden"]))
    return [[Candidate("functional_call, grad, vmap; Adam", models, partial(make, models)) for models in PACKS]]


def trainer(hidden, models):
    """Returns a function that continues training a stack of networks."""
    import torch
    from torch.func import functional_call, grad, stack_module_state, vmap

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    networks = [network(torch.nn, hidden) for _ in range(models)]
    stacked, _ = stack_module_state(networks)
    optimizer = torch.optim.Adam(list(stacked.values()), lr=0.001)
    x_NI = torch.linspace(0.001, 1, ROWS)[:, None]
    y_NO = x_NI**2

    def loss(parameters, x_NI, y_NO):
        return torch.nn.functional.mse_loss(functional_call(networks[0], parameters, (x_NI,)), y_NO)

    gradients = vmap(grad(loss), in_dims=(0, None, None))

    def run(steps):
        for _ in range(steps * BATCH // ROWS):
            for rows in torch.randperm(ROWS).split(BATCH):
                for name, gradient in gradients(stacked, x_NI[rows], y_NO[rows]).items():
                    stacked[name].grad = gradient.detach()
                optimizer.step()

    return run


def network(nn, hidden):
    """Returns one network."""
    layers = []
    for inputs, outputs in pairwise((1, *hidden, 1)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


if __name__ == "__main__":
    serve(groups)
