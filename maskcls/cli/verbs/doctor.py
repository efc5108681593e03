"""`maskcls doctor`: what this machine has and what would fail on it."""

import argparse

from maskcls.cli.verbs.base import Verb, say


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-hub", action="store_true", help="do not try to reach the model hub")


def _doctor(args: argparse.Namespace, command: list[str]) -> int:
    from maskcls.commands.doctor import diagnose, exit_of

    checks = diagnose(hub=not args.no_hub)
    width = max(len(c.name) for c in checks)
    for check in checks:
        mark = {"ok": "ok", "note": "note", "problem": "PROBLEM"}[check.level]
        say(f"{mark:<8}{check.name:<{width}}  {check.text}")
    return exit_of(checks)


VERB = Verb(
    "doctor",
    "What this machine has, what would fail here, and what to do about it.",
    _doctor_arguments,
    _doctor,
)
