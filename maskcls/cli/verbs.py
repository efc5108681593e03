"""The verbs: their options, what they run, and what they print of the result."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from maskcls.cli.progress import make_progress
from maskcls.core.errors import UserError
from maskcls.core.labels import class_name
from maskcls.core.names import without_credentials

LOCATION = "local path or object-store URI (s3://..., gs://...)"


def _no_epilog(words: Sequence[str]) -> str | None:
    return None


@dataclass(frozen=True)
class Verb:
    """A command: run(args, command line) returns the exit code."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, list[str]], int]
    epilog: Callable[[Sequence[str]], str | None] = _no_epilog


def _say(text: str = "") -> None:
    print(without_credentials(text), flush=True)


def _add_set(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument(
        "--set", dest="sets", metavar="NAME=VALUE", action="append", default=[], help=text
    )


# ---- demo ----------------------------------------------------------------------------------------


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="fewer people, fewer epochs")
    parser.add_argument("--out", help="folder (default: maskcls-demo, or maskcls-demo-quick)")


def _demo(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.demo import demo

    folder = args.out or ("maskcls-demo-quick" if args.quick else "maskcls-demo")
    with make_progress() as progress:
        done = demo(folder, args.quick, progress, command)
    oof = done.metrics["oof"]
    _say(
        f"Drew {oof['images']:,} photos to train on, trained {len(done.metrics['folds'])} folds,"
        f" averaged them: {done.seconds:.0f} s."
    )
    _say(
        f"  out-of-fold  macro F1 {oof['macro_f1']:.3f}  accuracy {oof['accuracy']:.3f}"
        "   (18 classes; guessing gives about .05)"
    )
    _say(
        f"  submission   macro F1 {done.score['macro_f1']:.3f}"
        f"  accuracy {done.score['accuracy']:.3f}   (by the drawn truth)"
    )
    _say("Where to look:")
    for path, what in (
        ("data/train/images", "the people that were drawn, seven photos each"),
        ("run/metrics.json", "scores, per class and per fold"),
        ("run/oof.parquet", "every training photo's logits, from the fold that held it out"),
        ("run/fold-0/history.jsonl", "a line an epoch"),
        ("submission.csv", "the ensemble's answers; .provenance.json says where they come from"),
    ):
        _say(f"  {done.folder.name + '/' + path:<40} {what}")
    _say("The same on your photos: maskcls check DATA, then maskcls train DATA --run RUN")
    return done.exit_code


# ---- doctor --------------------------------------------------------------------------------------


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-hub", action="store_true", help="do not try to reach the model hub")


def _doctor(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.doctor import diagnose, exit_of

    checks = diagnose(hub=not args.no_hub)
    width = max(len(c.name) for c in checks)
    for check in checks:
        mark = {"ok": "ok", "note": "note", "problem": "PROBLEM"}[check.level]
        _say(f"{mark:<8}{check.name:<{width}}  {check.text}")
    return exit_of(checks)


# ---- check ---------------------------------------------------------------------------------------


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=f"folder with train/ and eval/: {LOCATION}")
    parser.add_argument("--no-decode", action="store_true", help="read the tables only, no photo")


def _check(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.check import check

    with make_progress() as progress:
        found = check(args.data, progress, decode_photos=not args.no_decode)
    table = found.table
    evals = "no eval/" if table.eval_photos is None else f"{len(table.eval_photos):,} eval photos"
    _say(f"{args.data}: {len(table.photos):,} photos of {len(table.people):,} people, {evals}")
    _say(f"{'class':>5}  {'photos':>7} {'people':>7}")
    for row in found.class_table().itertuples(index=False):
        number, photos, people = (int(x) for x in row)
        _say(f"{number:>5}  {photos:>7,} {people:>7,}  {class_name(number)}")
    if found.photo_sizes:
        sizes = ", ".join(f"{size} ({n:,})" for size, n in found.photo_sizes.items())
        _say(f"photo sizes, height x width: {sizes}")
    for finding in found.findings:
        _say(f"note   {finding.where}: {finding.text}")
    for path, reason in found.faults.items():
        _say(f"fault  {path}: {reason}")
    if not found.faults and not found.findings:
        _say("nothing is wrong with it")
    return found.exit_code


# ---- train ---------------------------------------------------------------------------------------


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help=f"folder with train/ and eval/: {LOCATION}")
    parser.add_argument(
        "--run",
        dest="run_folder",
        metavar="RUN",
        required=True,
        help=f"the run's folder, made or gone on with: {LOCATION}",
    )
    parser.add_argument("--preset", metavar="NAME", help="a whole configuration (default: report)")
    parser.add_argument("--config", metavar="FILE.toml", help="settings that replace the preset's")
    _add_set(parser, "one setting, such as optim.lr=1e-4; may be given often; wins")


def _train_epilog(words: Sequence[str]) -> str:
    from maskcls.cli.settings_help import settings_text

    preset = None
    for i, word in enumerate(words):
        if word == "--preset" and i + 1 < len(words):
            preset = words[i + 1]
        elif word.startswith("--preset="):
            preset = word.partition("=")[2]
    return settings_text(preset)


def _train(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.config.resolve import resolve

    config = resolve(args.preset, args.config, args.sets)
    from maskcls.commands.train import train

    with make_progress() as progress:
        done = train(args.data, args.run_folder, config, progress, command)
    _print_metrics(done.metrics)
    _say(f"{done.run}: next, maskcls ensemble {args.run_folder} --out submission.csv")
    return done.exit_code


def _print_metrics(metrics: dict[str, Any]) -> None:
    for fold in metrics["folds"]:
        _say(
            f"fold {fold['fold']}  macro F1 {fold['macro_f1']:.4f}"
            f"  accuracy {fold['accuracy']:.4f}  best epoch {fold['best_epoch']}"
        )
    oof = metrics["oof"]
    tasks = "  ".join(f"{t} {oof[t]['macro_f1']:.3f}" for t in ("mask", "gender", "age"))
    _say(
        f"out-of-fold  macro F1 {oof['macro_f1']:.4f}  accuracy {oof['accuracy']:.4f}"
        f"  ({oof['images']:,} photos; {tasks})"
    )
    if oof["faults"] or metrics["eval_faults"]:
        _say(
            f"degraded: {oof['faults']} training and {metrics['eval_faults']} eval photos could"
            " not be decoded; faults.json in the run names them"
        )


# ---- ensemble ------------------------------------------------------------------------------------


def _ensemble_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", help=f"runs to average: {LOCATION}")
    parser.add_argument("--out", required=True, metavar="FILE.csv", help="the submission")
    parser.add_argument(
        "--allow-missing-folds",
        action="store_true",
        help="average what is there; the provenance and exit code 3 say so",
    )


def _ensemble(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.ensemble import ensemble

    with make_progress() as progress:
        done = ensemble(args.runs, args.out, progress, args.allow_missing_folds)
    members, lost = done.provenance["members"], done.provenance["fallback"]["images"]
    _say(
        f"{args.out}: {done.provenance['images']:,} images, mean of {len(members)} folds' logits;"
        f" {args.out}.provenance.json says where they come from"
    )
    if lost:
        _say(
            f"degraded: {len(lost)} images without logits got class"
            f" {done.provenance['fallback']['class']}"
        )
    for run in done.provenance["runs"]:
        if run["missing_folds"]:
            _say(f"degraded: {run['run']} lacks fold {', '.join(map(str, run['missing_folds']))}")
    return done.exit_code


# ---- predict -------------------------------------------------------------------------------------


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_folder", metavar="RUN", help=f"a finished run: {LOCATION}")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        help="a folder of photos, or a CSV with a column path (or ImageID)"
        f" relative to its folder: {LOCATION}",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="FILE.csv",
        help="path,ans,p0..p17: the class and the probabilities of all 18",
    )
    _add_set(
        parser, "how the work is placed here: cluster.gpus=0 and the like, see maskcls train --help"
    )


def _predict(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.config.resolve import resolve

    if other := [text for text in args.sets if not text.startswith("cluster.")]:
        raise UserError(f"--set {other[0]}: predict takes cluster.* only; the rest is the run's.")
    placing = resolve(None, None, args.sets).cluster
    from maskcls.commands.predict import predict

    with make_progress() as progress:
        done = predict(args.run_folder, args.images, args.out, progress, placing)
    _say(f"{args.out}: {done.images:,} photos, {len(done.faults)} of them without an answer")
    return done.exit_code


# ---- score ---------------------------------------------------------------------------------------


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("submission", metavar="SUBMISSION.csv", help="ImageID,ans: the answers")
    parser.add_argument("truth", metavar="TRUTH.csv", help="ImageID,ans: the truth; joined by ID")
    parser.add_argument("--json", action="store_true", help="all figures as JSON")


def _score(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.score import score

    found = score(args.submission, args.truth)
    if args.json:
        _say(json.dumps(found))
        return 0
    if "warning" in found:
        print(f"warning: {found['warning']}", file=sys.stderr)
    _say(
        f"macro F1 {found['macro_f1']:.4f}  accuracy {found['accuracy']:.4f}"
        f"  ({found['images']:,} images)"
    )
    for row in found["per_class"]:
        _say(f"{row['class']:>5}  F1 {row['f1']:.3f}  {row['images']:>6,}  {row['name']}")
    return 0


VERBS = (
    Verb("demo", "Draw a small data set, run the whole main job on it, say where to look.",
         _demo_arguments, _demo),
    Verb("doctor", "What this machine has, what would fail here, and what to do about it.",
         _doctor_arguments, _doctor),
    Verb("check", "Is this folder what it should be? Counts, class table, faults.",
         _check_arguments, _check),
    Verb("train", "Train the folds of a run, or go on with it; write its out-of-fold score.",
         _train_arguments, _train, _train_epilog),
    Verb("ensemble", "Average the logits of all folds of some runs into a submission.",
         _ensemble_arguments, _ensemble),
    Verb("predict", "Answers and probabilities of a finished run for new photos.",
         _predict_arguments, _predict),
    Verb("score", "Official macro F1 and accuracy of a submission.", _score_arguments, _score),
)  # fmt: skip
"""All verbs, in the order of the help."""
