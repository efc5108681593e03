"""Networks: timm's backbones, heads, and ways to learn ages."""

from maskcls.core import lazy_dynamo as without_compiler

without_compiler.install()  # before timm is imported
