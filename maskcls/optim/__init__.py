"""Optimizers, schedules of the rate, averages of the weights."""

from maskcls.core import lazy_dynamo

lazy_dynamo.install()  # before timm is imported
# One of timm's optimizers imports sharded tensors if it can; they are unused here and slow to import.
with lazy_dynamo.hidden("torch.distributed.tensor"):
    import timm.optim  # noqa: F401
