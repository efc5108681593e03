"""Output of `maskcls compare`: each pair as a block of lines that ends with its verdict."""

from collections.abc import Sequence

from maskcls.core.metrics import TITLES
from maskcls.evaluation.compared import Difference, Pair
from maskcls.evaluation.what_differs import shown

_MOST_CLASSES = 20


def lines_of(pairs: Sequence[Pair]) -> list[str]:
    """Plain lines; of several pairs first a table, best known last: each pair's verdict."""
    lines = [line for pair in pairs for line in [*_block(pair, len(pairs)), ""]]
    return [*lines, *(_overview(pairs) if len(pairs) > 1 else [])][
        : -1 if len(pairs) == 1 else None
    ]


def _block(pair: Pair, count: int) -> list[str]:
    return [
        *_sides(pair),
        _difference(pair, count),
        *_what_differs(pair),
        *([] if pair.same_answers else _table(pair)),
        *(f"note: {text}" for text in pair.remarks),
        pair.verdict,
    ]


def _sides(pair: Pair) -> list[str]:
    """The name, score, interval and seeds of A and of B."""
    width = max(len(pair.a.name), len(pair.b.name))
    scores = [
        f"{TITLES[pair.metric]} {value:.4f}{f' {interval}' if interval else ''}"
        for value, interval in zip(pair.values, pair.intervals, strict=True)
    ]
    room = max(map(len, scores))
    return [
        f"{letter}  {side.name:<{width}}  {score:<{room}}"
        f"  seed{'s' * (len(side.seeds) > 1)} {', '.join(map(str, side.seeds))}"
        for letter, side, score in zip("AB", (pair.a, pair.b), scores, strict=True)
    ]


def _difference(pair: Pair, count: int) -> str:
    found = pair.paired
    images = f"{pair.images:,} images"
    if found.groups != pair.images:
        images += f", {found.groups:,} groups"
    # Of a loss, the difference of scores is that of the values the other way round.
    of = "A minus B (above 0: B is better)" if pair.metric == "log_loss" else "B minus A"
    if pair.same_answers:
        return f"{of}: the same, as all answers are  ({images})"
    of_all = ""
    if count > 1:
        of_all = f", {pair.p_adjusted:.4f} by Holm over {pair.comparisons} pairs"
    return f"{of}: {found.difference:+.4f} {_signed(pair)}, p {found.p:.4f}{of_all}  ({images})"


def _signed(pair: Pair) -> str:
    return _interval(pair.paired.interval.low, pair.paired.interval.high)


def _interval(low: float, high: float) -> str:
    return f"[{low:+.4f}, {high:+.4f}]"


def _what_differs(pair: Pair) -> list[str]:
    a, b = pair.a.runs[0].config, pair.b.runs[0].config
    lines = [
        f"differs  {name}: {shown(name, old, a)} in A, {shown(name, new, b)} in B"
        for name, (old, new) in pair.settings.items()
    ]
    lines += [f"differs  {name}: {old} in A, {new} in B" for name, (old, new) in pair.code.items()]
    same = ["data"]
    same += ["folds"] * pair.same_folds
    same += ["seeds"] * (pair.a.seeds == pair.b.seeds)
    same += ["code"] * (not pair.code) + ["settings"] * (not pair.settings)
    return [*lines, f"the same  {', '.join(same)}"]


def _table(pair: Pair) -> list[str]:
    rows = [*pair.parts, *_shown_classes(pair.per_class)]
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"  {row.name:<{width}}  {_numbers(row)}" for row in rows]
    if len(pair.per_class) > _MOST_CLASSES:
        lines.append(f"  (the {_MOST_CLASSES} classes that differ most; --json FILE has all)")
    head = f"  {'macro F1 of parts, F1 of classes' if pair.parts else 'F1 of classes'}, B - A:"
    return [head, *lines]


def _numbers(row: Difference) -> str:
    # Of a class that no side answers, too: F1 is 0 in all resamples, which says nothing of it.
    if row.difference == row.interval.low == row.interval.high == 0:
        return "the same"
    return f"{row.difference:+.4f} {_interval(row.interval.low, row.interval.high)}"


def _shown_classes(classes: Sequence[Difference]) -> Sequence[Difference]:
    if len(classes) <= _MOST_CLASSES:
        return classes
    return sorted(classes, key=lambda one: -abs(one.difference))[:_MOST_CLASSES]


def _overview(pairs: Sequence[Pair]) -> list[str]:
    names = [f"{pair.a.name} -> {pair.b.name}" for pair in pairs]
    width = max(map(len, names))
    head = f"{'pair':<{width}}  {'difference':>10}  {'95 %':<18}  {'p':>6}  {'p (Holm)':>8}"
    return [
        head,
        *(
            f"{name:<{width}}    the same"
            if pair.same_answers
            else f"{name:<{width}}  {pair.paired.difference:>+10.4f}  {_signed(pair)}"
            f"  {pair.paired.p:6.4f}  {pair.p_adjusted:8.4f}"
            f"{'  claimed' if pair.is_claimed else ''}"
            for name, pair in zip(names, pairs, strict=True)
        ),
    ]
