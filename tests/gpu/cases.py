"""What is measured: networks, sizes, batches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A network at a size; rows: images of the run that its loop and folds read."""

    name: str
    backbone: str
    height: int
    width: int
    batch_size: int
    precision: str
    rows: int

    @property
    def label(self) -> str:
        """For a table."""
        return (
            f"{self.backbone} {self.height}x{self.width}, batch {self.batch_size}, {self.precision}"
        )


# 2,559 images in five folds: 32 updates of 64 an epoch, some 512 images held out.
REAL = (
    Case("b0", "efficientnet_b0", 384, 384, 64, "bfloat16", 2559),
    Case("b3", "efficientnet_b3", 384, 384, 64, "bfloat16", 2559),
    Case("resnext50", "resnext50_32x4d", 512, 384, 64, "bfloat16", 2559),
)
TINY = (
    Case("tiny", "test_efficientnet", 32, 32, 8, "float32", 90),
    Case("mobile", "mobilenetv3_small_050", 48, 32, 8, "float32", 90),
)


def cases_of(tiny: bool) -> tuple[Case, ...]:
    """The first is the one that checks of a single network take."""
    return TINY if tiny else REAL


def case_of(tiny: bool, name: str) -> Case:
    """KeyError for a name that there is not."""
    return {case.name: case for case in cases_of(tiny)}[name]
