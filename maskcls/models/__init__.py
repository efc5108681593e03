"""Networks: timm's backbones, heads, and ways to learn ages."""

from maskcls.core import lazy_dynamo

lazy_dynamo.install()  # before timm is imported
