"""Every small change of a source of C: what a tired programmer might have written instead.

Works on tokens, not on the grammar. What comes out may not compile, or mean the same: the program that builds
it finds that out.
"""

import re
from typing import Iterator, NamedTuple

TOKEN = re.compile(
    r"""
    (?P<skip>\s+|/\*.*?\*/|//[^\n]*|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<number>(?:0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<operator><<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)

# Only where it stands between two operands.
BINARY = {
    "<": ["<=", ">="],
    "<=": ["<", ">"],
    ">": [">=", "<="],
    ">=": [">", "<"],
    "==": ["!="],
    "!=": ["=="],
    "&&": ["||"],
    "||": ["&&"],
    "+": ["-"],
    "-": ["+"],
    "*": ["/"],
    "/": ["*"],
    "%": ["*"],
    "&": ["|"],
    "|": ["&"],
    "<<": [">>"],
    ">>": ["<<"],
    "+=": ["-=", "="],
    "-=": ["+=", "="],
    "|=": ["=", "&="],
    "&=": ["=", "|="],
    "?": ["== 0 ?"],
}
UNARY = {"!": [""], "~": [""], "++": ["--"], "--": ["++"]}
WORDS = {"true": ["false"], "false": ["true"], "break": [";"], "continue": [";"]}

# A statement that begins with one of these declares, or steers.
NOT_AN_EXPRESSION = set(
    """static const struct enum union unsigned int bool char void double long size_t ssize_t
    socklen_t uint8_t uint16_t uint32_t uint64_t return if else for while do switch case default
    break continue goto typedef extern""".split()
)


class Token(NamedTuple):
    kind: str
    text: str
    at: int


class Mutant(NamedTuple):
    function: str
    before: str  # the lines that change, on one line
    after: str
    source: str  # the whole, changed

    @property
    def key(self) -> tuple[str, str, str]:
        return self.function, self.before, self.after


def tokens_of(source: str) -> list[Token]:
    return [
        Token(match.lastgroup or "", match.group(), match.start())
        for match in TOKEN.finditer(source)
        if match.lastgroup != "skip"
    ]


def is_operand(token: Token) -> bool:
    return token.kind in ("number", "word") and token.text != "return" or token.text in (")", "]")


def is_cast_or_type(tokens: list[Token], i: int) -> bool:
    """In "(void *)p" and "struct ring *ring" nothing is multiplied."""
    following = tokens[i + 1]
    if following.text in (")", ",", "*"):
        return True
    before = tokens[i - 1]
    if before.kind != "word" or following.kind != "word":
        return before.text == ")" and following.kind == "word" and before.at + 1 == tokens[i].at
    return before.text in NOT_AN_EXPRESSION or tokens[i - 2].text in ("struct", "const", "enum")


def number_changes(text: str) -> list[str]:
    digits = text.rstrip("uUlL")
    octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
    value, suffix = int(digits, 8 if octal else 0), text[len(digits) :]
    return [f"{value + 1}{suffix}"] + ([f"{value - 1}{suffix}"] if value else [])


def token_changes(tokens: list[Token], i: int) -> list[str]:
    token = tokens[i]
    if token.kind == "number":
        return number_changes(token.text)
    if token.kind == "word":
        return WORDS.get(token.text, [])
    if i and is_operand(tokens[i - 1]) and token.text in BINARY:
        if token.text == "*" and is_cast_or_type(tokens, i):
            return []
        return BINARY[token.text]
    return UNARY.get(token.text, [])


BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def end_of(tokens: list[Token], i: int, end: str) -> int | None:
    """Where, from i on and outside of brackets that open there, the end stands, if it does."""
    depth = 0
    while depth >= 0 and i < len(tokens):
        if depth == 0 and tokens[i].text == end:
            return i
        depth += BRACKETS.get(tokens[i].text, 0)
        i += 1
    return None


def begins_statement(tokens: list[Token], i: int) -> bool:
    if tokens[i - 1].text != ")":
        return tokens[i - 1].text in (";", "{", "}", "else", "do", ":")
    depth, i = -1, i - 2
    while depth:
        depth += BRACKETS.get(tokens[i].text, 0)
        i -= 1
    return tokens[i].text in ("if", "while", "for")


Change = tuple[int, int, str]  # from, to, what stands there instead


def without(tokens: list[Token], i: int) -> Iterator[Change]:
    """Leaves an expression out."""
    end = end_of(tokens, i, ";")
    if end is None or tokens[i].text in NOT_AN_EXPRESSION or end - i < 2:
        return
    words = tokens[i:end]
    declares = words[0].kind == words[1].kind == "word" or words[1].text == ":"
    if not declares and not any(word.text in "{}" for word in words):
        yield tokens[i].at, tokens[end].at, ""


def statement_changes(source: str, tokens: list[Token], i: int) -> Iterator[Change]:
    token = tokens[i]
    if token.text in ("if", "while") and tokens[i + 1].text == "(":
        end = end_of(tokens, i + 2, ")") or i
        condition = source[tokens[i + 2].at : tokens[end].at]
        yield tokens[i + 2].at, tokens[end].at, f"!({condition})"
    elif token.text == "return" and tokens[i + 1].text != ";":
        begin, end = tokens[i + 1].at, tokens[end_of(tokens, i + 1, ";") or i].at
        for other, same in (("0", ("0", "false", "NULL")), ("1", ("1", "true"))):
            if source[begin:end] not in same:
                yield begin, end, other
    elif begins_statement(tokens, i):
        yield from without(tokens, i)


def functions_of(source: str) -> list[tuple[int, int, str]]:
    """(from, to, name): as this project writes them, the name begins a line."""
    return [
        (match.start(), match.end(), match.group(1))
        for match in re.finditer(r"^(\w+)\([^;{]*?\)\n\{\n.*?^\}\n", source, re.M | re.S)
    ]


def lines_around(source: str, begin: int, end: int) -> tuple[int, int]:
    stop = source.find("\n", end)
    return source.rfind("\n", 0, begin) + 1, len(source) if stop < 0 else stop


def squeeze(text: str) -> str:
    return " ".join(text.split())


def mutants_of(source: str) -> Iterator[Mutant]:
    tokens = tokens_of(source)
    functions = functions_of(source)
    for i, token in enumerate(tokens):
        function = next((n for begin, end, n in functions if begin <= token.at < end), "")
        changes: list[Change] = []
        if i + 1 < len(tokens):
            changes += [
                (token.at, token.at + len(token.text), text) for text in token_changes(tokens, i)
            ]
        if function:
            changes += statement_changes(source, tokens, i)
        for begin, end, text in changes:
            first, last = lines_around(source, begin, end)
            yield Mutant(
                function,
                squeeze(source[first:last]),
                squeeze(source[first:begin] + text + source[end:last]),
                source[:begin] + text + source[end:],
            )


if __name__ == "__main__":
    import sys

    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            for mutant in mutants_of(file.read()):
                print(f"{mutant.function}\n- {mutant.before}\n+ {mutant.after}")
