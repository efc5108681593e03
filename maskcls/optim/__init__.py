"""Optimizers, schedules of the rate, averages of the weights."""

from maskcls.core import lazy_dynamo as without_compiler

without_compiler.install()  # before timm is imported
with without_compiler.hidden("torch.distributed.tensor"):
    import timm.optim  # noqa: F401
