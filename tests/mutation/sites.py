"""The mutants of a module: copies with one small fault each.

A fault is another comparison, arithmetic or boolean operator, a negated condition, another number or truth value, or a
statement that is left out. Texts and annotations stay as they are.
"""

import ast
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from itertools import takewhile

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
CONTEXT = 30
"""Characters of unchanged code that a mutant's key shows at each side of the fault."""
DROPPED = (ast.Assign, ast.AugAssign, ast.Delete, ast.Break, ast.Continue)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One fault in one module."""

    key: str
    """Function, and the code before and after. It does not change when lines move."""
    line: int
    source: str
    """The whole module with the fault."""


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module that compiles, from top to bottom."""
    found: list[Mutant] = []
    seen = Counter[str]()
    lines = source.encode().splitlines(keepends=True)
    for function, node, text in _faults(ast.parse(source), ""):
        key = f"{function}: {_difference(ast.unparse(node), text)}"
        seen[key] += 1
        if seen[key] > 1:
            key = f"{key} ({seen[key]})"
        mutated = _replace(lines, node, text)
        try:
            compile(mutated, key, "exec")
        except SyntaxError:
            continue
        found.append(Mutant(key=key, line=node.lineno, source=mutated))
    return found


Place = ast.expr | ast.stmt


def _faults(node: ast.AST, function: str) -> Iterator[tuple[str, Place, str]]:
    """Each fault at this node and below it: the function's name, the part that is replaced, and its replacement."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}".lstrip(".")
    if isinstance(node, ast.expr | ast.stmt):
        for text in _replacements(node):
            yield function or "module", node, text
    for condition in _conditions(node):
        yield function or "module", condition, f"not {ast.unparse(condition)}"
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                    yield from _faults(child, function)


def _replacements(node: Place) -> Iterator[str]:
    match node:
        case ast.Compare():
            for index, operator in enumerate(node.ops):
                for other in COMPARISONS[type(operator)]:
                    yield _changed(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC:
            yield _changed(node, op=ARITHMETIC[type(node.op)]())
        case ast.BoolOp():
            yield _changed(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
        case ast.UnaryOp(op=ast.Not()):
            yield ast.unparse(node.operand)
        case ast.Constant(value=(int() | float()) as value):
            yield repr(_other_value(value))
    if _can_be_dropped(node):
        yield "pass"


def _conditions(node: ast.AST) -> list[ast.expr]:
    """The conditions at this node that have no operator which could be another one."""
    match node:
        case ast.If() | ast.While() | ast.IfExp():
            tests = [node.test]
        case ast.comprehension():
            tests = node.ifs
        case _:
            return []
    return [test for test in tests if isinstance(test, ast.Name | ast.Attribute | ast.Call)]


def _difference(before: str, after: str) -> str:
    """Both texts, without what they have in common far from the fault."""
    start = max(0, _in_common(before, after) - CONTEXT)
    end = max(0, _in_common(before[::-1], after[::-1]) - CONTEXT)
    end = min(end, len(before) - start, len(after) - start)
    cut = [("…" if start else "") + text[start : len(text) - end] + ("…" if end else "") for text in (before, after)]
    return " ".join(" -> ".join(cut).split())


def _in_common(one: str, other: str) -> int:
    """How many characters at their beginnings are equal."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _can_be_dropped(node: Place) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call)
    if isinstance(node, ast.Assign):  # without a local name that is assigned to, most code cannot run at all
        return not all(isinstance(target, ast.Name | ast.Tuple) for target in node.targets)
    return isinstance(node, DROPPED)


def _other_value(value: float) -> float:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) or value == 0 else value * 2


def _changed(node: Place, **fields: object) -> str:
    other = copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return ast.unparse(other)


def _replace(lines: list[bytes], node: Place, text: str) -> str:
    """The module's source with other text for the node. Columns of the syntax tree count bytes."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    first, last = node.lineno - 1, node.end_lineno - 1
    before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
    return b"".join([*lines[:first], before, text.encode(), after, *lines[last + 1 :]]).decode()
