"""`maskcls lr-find`: the loss of one fold while the learning rate rises, as a table and a plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.core.plain import to_plain
from maskcls.core.progress import Progress
from maskcls.runs.prepare import prepare
from maskcls.runs.run import begin, decode, jobs, place
from maskcls.store.folder import Folder
from maskcls.store.lease import Lease
from maskcls.training.job import RangeTest


@dataclass(frozen=True)
class Found:
    """steepest: rate where the loss falls fastest; lowest: rate of the lowest loss; folder: holds
    lr_find.json and lr_find.png."""

    folder: Folder
    steepest: float
    lowest: float


def lr_find(
    data: str, out: str, config: Config, progress: Progress,
    low: float = 1e-7, high: float = 1.0, updates: int = 100, command: Sequence[str] = (),
    task: str | None = None,
) -> Found:  # fmt: skip
    """Run the range test on fold 0 of these settings; writes into the folder out.

    Raises UserError for bad input, or when low and high are not a range.
    """
    from maskcls.cluster.session import ray_session
    from maskcls.cluster.tasks import range_test_of

    if not 0 < low < high or updates < 10:
        raise UserError("lr-find: --low must be above 0 and below --high, and --updates 10 or more")
    prepared = prepare(data, out, config, progress, task)
    folder = prepared.run.folder
    # The folder is like a run's, so another command must not write into it at the same time.
    with Lease(folder, "lr-find", progress.say) as lease:
        context = begin(prepared, progress, lease.check)
        with ray_session(context.cache, config.cluster.dashboard, progress) as session:
            home = session.own_node()
            plan = place(context, session)
            decode(context, home)
            job = jobs(context, plan, home)[0]
            found = range_test_of(job, plan, low, high, updates, progress)
        folder.write_json("lr_find.json", to_plain(found) | {"command": list(command)})
        folder.write_bytes("lr_find.png", _plot(found))
    return Found(folder, found.steepest, found.lowest)


def _plot(found: RangeTest) -> bytes:
    """The curve as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot, which chooses a display and keeps every figure in a global list.
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(found.lr, found.loss, color="0.8", label="loss of an update")
    axes.plot(found.lr[: len(found.smooth)], found.smooth, color="C0", label="smoothed")
    axes.axvline(found.steepest, color="C2", ls="--", label=f"steepest: {found.steepest:.2g}")
    axes.axvline(found.lowest, color="C3", ls=":", label=f"lowest: {found.lowest:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", title="Learning-rate range test")
    top = max(found.smooth[:3]) * 1.5
    # Cut at the top: the loss explodes at the end of the range and would flatten the rest.
    lowest = min(*found.smooth, *found.loss)
    axes.set_ylim(0.9 * lowest, max(top, 1.5 * lowest))
    axes.legend()
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()
