"""Text of the query language -> an expression.

    expression = primary {("+" | "union" | "^" | "intersect" | "-" | "except") primary}
    primary    = pattern | "$" name | "(" expression ")" | "set" "(" {pattern} ")"
               | function "(" argument {"," argument} ")"
               | "let" name "=" expression "in" expression

Operators have one precedence and apply from left to right, as Bazel's do. All
that can be said without looking at files is checked here: names of functions
and variables, arguments, regular expressions, the form of patterns.
"""

from __future__ import annotations

import re
import warnings

from lambdabuild.errors import UserError, did_you_mean
from lambdabuild.label import TargetPattern, parse_pattern
from lambdabuild.query.errors import QueryError, wrong
from lambdabuild.query.lexer import END, OPERATORS, WORD, Token, is_word, tokens
from lambdabuild.query.signatures import FUNCTIONS, Kind, Signature
from lambdabuild.query.syntax import (
    Argument,
    Call,
    Expression,
    Let,
    Operation,
    Pattern,
    SetOf,
    Variable,
    Word,
)

MAX_NESTING = 100
"""Parentheses, calls and `let` within each other."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


def parse(text: str, package: str = "") -> Expression:
    """Returns the expression that `text` is; patterns are relative to `package`. Raises QueryError."""
    parser = _Parser(text, package)
    expression = parser.expression()
    parser.expect(END, "an operator or the end")
    return expression


class _Parser:
    def __init__(self, text: str, package: str) -> None:
        self._text = text
        self._package = package
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0
        self._variables: list[str] = []

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += 1
        return token

    def expect(self, kind: str, wanted: str) -> Token:
        """Takes the next token; raises QueryError if it is none of that kind."""
        if self._token.kind != kind:
            raise self._unexpected(wanted)
        return self._take() if kind != END else self._token

    def expression(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_NESTING:
            token = self._token
            raise self._wrong(
                f"the expression is nested more than {MAX_NESTING} deep",
                token,
                hint="give parts of it names: let a = … in …",
            )
        first = self._primary()
        rest = []
        while self._token.kind in OPERATORS.values():
            operator = self._take().kind
            rest.append((operator, self._primary()))
        self._depth -= 1
        return Operation(first, tuple(rest)) if rest else first

    def _primary(self) -> Expression:
        token = self._token
        if token.kind == "(":
            self._take()
            inner = self.expression()
            self.expect(")", "an operator or ')'")
            return inner
        if token.kind == "let":
            return self._let()
        if token.kind == "set":
            return self._set()
        if token.kind != WORD:
            raise self._unexpected("an expression")
        self._take()
        if not token.quoted and self._token.kind == "(":
            return self._call(token)
        if not token.quoted and token.text.startswith("$"):
            return self._variable(token)
        return self._pattern(token)

    def _let(self) -> Let:
        self._take()
        name = self.expect(WORD, "a name")
        if name.quoted or not _NAME.fullmatch(name.text):
            raise self._wrong(
                f"{name.text!r} cannot name a set", name, hint="take letters, digits and '_': let x = … in $x"
            )
        self.expect("=", "'='")
        value = self.expression()
        self.expect("in", "an operator or 'in'")
        self._variables.append(name.text)
        body = self.expression()
        self._variables.pop()
        return Let(name.text, value, body)

    def _set(self) -> SetOf:
        self._take()
        self.expect("(", "'('")
        members = []
        while self._token.kind == WORD:
            members.append(self._pattern(self._take()))
        self.expect(")", "a target pattern or ')'")
        return SetOf(tuple(members))

    def _variable(self, token: Token) -> Variable:
        name = token.text[1:]
        if name not in self._variables:
            known = did_you_mean(token.text, [f"${known}" for known in self._variables])
            raise self._wrong(f"there is no variable {token.text}", token, hint=known or "let x = … in $x")
        return Variable(name)

    def _pattern(self, token: Token) -> Pattern:
        try:
            pattern = parse_pattern(token.text, self._package)
        except UserError as error:
            raise self._wrong(error.message, token, hint=error.hint) from None
        if pattern.negative:
            raise self._wrong(
                f"{token.text!r} takes something away, and nothing stands before it",
                token,
                hint="write x - y or x except y",
            )
        return Pattern(pattern, token.start, token.end)

    def _call(self, name: Token) -> Call:
        signature = FUNCTIONS.get(name.text)
        if signature is None:
            near = did_you_mean(name.text, [*FUNCTIONS, "set"])
            raise self._wrong(
                f"there is no function {name.text!r}", name, hint=near or f"there are {', '.join(FUNCTIONS)}"
            )
        self._take()
        arguments: list[Argument] = []
        while self._token.kind != ")" or not arguments:
            if arguments:
                self.expect(",", "an operator, ',' or ')'")
            if len(arguments) == len(signature.parameters) or self._token.kind == ")":
                raise self._arity(signature, name)
            arguments.append(self._argument(signature, len(arguments)))
        end = self._take().end
        if len(arguments) < signature.needed:
            raise self._arity(signature, name)
        return Call(signature.name, tuple(arguments), name.start, end)

    def _argument(self, signature: Signature, number: int) -> Argument:
        name, kind = signature.parameters[number]
        if kind is Kind.EXPRESSION:
            return self.expression()
        token = self.expect(WORD, f"{name}, {kind.value}")
        if kind is Kind.NUMBER:
            if not _NUMBER.fullmatch(token.text):
                raise self._wrong(
                    f"{name} is {kind.value}, not {token.text!r}",
                    token,
                    hint=f"{signature}; write a + b where both are meant",
                )
            return int(token.text)
        if kind is Kind.PATTERN:
            self._check_regex(token)
        return Word(token.text, token.start, token.end)

    def _check_regex(self, token: Token) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # [[a]: what it may mean one day
                re.compile(token.text)
        except (re.error, RecursionError, OverflowError) as error:
            raise self._wrong(
                f"{token.text[:60]!r} is not a regular expression: {error}",
                token,
                hint="put a backslash before what shall stand for itself",
            ) from None

    def _arity(self, signature: Signature, name: Token) -> QueryError:
        return self._wrong(f"{signature.name}() takes {signature.counts}", name, hint=f"write {signature}")

    def _unexpected(self, wanted: str) -> QueryError:
        token = self._token
        found = "the end" if token.kind == END else repr(token.text)
        return self._wrong(f"expected {wanted}, not {found}", token)

    def _wrong(self, message: str, token: Token, *, hint: str | None = None) -> QueryError:
        return wrong(message, self._text, token.start, token.end, hint=hint)


def parse_universe(text: str, package: str = "") -> tuple[TargetPattern, ...]:
    """Returns the patterns of --universe_scope, with commas between them; raises UserError."""
    return tuple(parse_pattern(part.strip(), package) for part in text.split(",") if part.strip())


def short_form(words: list[str]) -> str:
    """Returns the expression that the arguments of a command line are.

    `deps //x:image` is deps(//x:image), for every function and for set; all else is joined with spaces.
    """
    name, *arguments = words
    if name == "set" and arguments and arguments[0][:1] != "(":
        return f"set({' '.join(arguments)})"
    signature = FUNCTIONS.get(name)
    known = signature is not None and arguments[:1] and not _goes_on(arguments[0])
    if not known and not _is_misspelt(words):
        return " ".join(words)
    kinds = [kind for _, kind in signature.parameters] if signature else []
    kinds += [Kind.EXPRESSION] * len(arguments)
    return f"{name}({', '.join(map(_written, arguments, kinds))})"


def _goes_on(word: str) -> bool:
    """Tells whether `word` is an operator, so that what stands before it is a pattern."""
    return word in (*OPERATORS, *OPERATORS.values())


def _is_misspelt(words: list[str]) -> bool:
    """Tells whether a word and a pattern stand side by side, which is no expression, only a short form."""
    return len(words) > 1 and all(map(is_word, words[:2])) and _NAME.fullmatch(words[0]) is not None


def _written(argument: str, kind: Kind) -> str:
    """Returns an argument as it stands in an expression; words get the quotes that they do not have."""
    if kind is Kind.EXPRESSION:
        return argument
    if is_word(argument):
        return argument
    quote = "'" if '"' in argument else '"'
    return f"{quote}{argument}{quote}"
