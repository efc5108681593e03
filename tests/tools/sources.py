"""Python files as their parts: tokens, functions, arguments, imports. Read by tests.tools.structure."""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A Python file, parsed."""

    path: Path
    package: Path
    """The folder it was found in."""
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """Dotted name, the package folder's own name first."""
        parts = self.path.relative_to(self.package.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def num_lines(self) -> int:
        """Physical lines."""
        return len(self.text.splitlines())

    def tokens(self) -> Iterator[tokenize.TokenInfo]:
        """As Python's own tokenizer finds them."""
        return tokenize.generate_tokens(io.StringIO(self.text).readline)

    def code_lines(self) -> int:
        """Lines with a token that is neither comment nor docstring."""
        lines: set[int] = set()
        for token in self.tokens():
            if token.type not in _NO_CODE:
                lines.update(range(token.start[0], token.end[0] + 1))
        for scope in ast.walk(self.tree):
            if isinstance(scope, _SCOPES):
                for text in filter(_is_text, scope.body):
                    lines.difference_update(range(text.lineno, (text.end_lineno or 0) + 1))
        return len(lines)

    def comments(self) -> int:
        """Number of comment tokens."""
        return sum(token.type == tokenize.COMMENT for token in self.tokens())


def read(folder: Path) -> list[Source]:
    """All Python files below a folder, sorted; SyntaxError names a file that cannot be parsed."""
    sources = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        sources.append(Source(path, folder, text, ast.parse(text, str(path))))
    return sources


def functions(source: Source) -> list[Function]:
    """All functions and methods of a file, inner ones too."""
    return [x for x in ast.walk(source.tree) if isinstance(x, Function)]


def public_functions(scope: ast.Module | ast.ClassDef) -> Iterator[Function]:
    """Public functions, and public methods of public classes."""
    for node in scope.body:
        if isinstance(node, _SCOPES[1:]) and not node.name.startswith("_"):
            if isinstance(node, ast.ClassDef):
                yield from public_functions(node)
            elif isinstance(node, Function) and not _is_secondary(node):
                yield node


def _is_secondary(function: Function) -> bool:
    names = [ast.unparse(d).rpartition(".")[2] for d in function.decorator_list]
    return bool({"overload", "setter"} & set(names))


def _is_text(node: ast.stmt) -> bool:
    """A string alone in a body: a docstring, or what stands below an attribute."""
    return isinstance(node, ast.Expr) and (
        isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    )


def positional(function: Function) -> list[ast.arg]:
    """Arguments that may be given without a name, without self and cls."""
    given = [*function.args.posonlyargs, *function.args.args]
    return given[1:] if given and given[0].arg in ("self", "cls") else given


def all_arguments(function: Function) -> list[ast.arg]:
    """All arguments, without self and cls."""
    rest = [function.args.vararg, *function.args.kwonlyargs, function.args.kwarg]
    return [*positional(function), *(x for x in rest if x is not None)]


def imports(source: Source, known: frozenset[str]) -> set[str]:
    """Modules of `known` that a file imports, wherever it does."""
    found = set()
    skipped = {
        inner
        for node in ast.walk(source.tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(source.tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{name.name}" for name in node.names}
            # `from package import module` does not need what else the package's __init__ imports.
            found.update(names & known or {node.module})
    return (found & known) - {source.module}


def cycles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of more than one node in which each reaches each."""
    reached = {node: _reach(graph, node) for node in graph}
    groups: list[set[str]] = []
    for node in graph:
        group = {other for other in reached[node] if node in reached[other]} | {node}
        if len(group) > 1 and group not in groups:
            groups.append(group)
    return groups


def _reach(graph: dict[str, set[str]], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - reached
        reached |= new
        waiting.extend(new)
    return reached


def has_test(module: str, tests: frozenset[str]) -> bool:
    """Whether a test file has the module's name, with or without a package's before it."""
    *packages, name = module.split(".")
    return f"test_{name}" in tests or any(f"test_{p}_{name}" in tests for p in packages)
