"""The edge's JSON scanner beside Python's parser: the same documents are valid."""

import json
import random

from probe import seed, verdicts

ALPHABET = ['"', "\\", "{", "}", "[", "]", ":", ",", " ", "\n", "\t", "0", "1", "-", "+", ".", "e", "E", "t", "true", "null"]
ALPHABET += ["\\u00e9", "\\ud83d", "\\u", "false", "é", "😀", "\x00", "\x1f", "/", "nul", "a", "\ufeff", "\u2028", "\x7f"]


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not JSON")


def is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _value(choice: random.Random, depth: int):
    kinds = ["string", "number", "float", "literal"] + (["array", "object"] * 2 if depth < 5 else [])
    match choice.choice(kinds):
        case "string":
            return "".join(choice.choice(['"', "\\", "é", "😀", "\n", "plain text ", "\x01"]) for _ in range(choice.randint(0, 6)))
        case "number":
            return choice.randint(-(10**20), 10**20)
        case "float":
            return choice.uniform(-1, 1) * 10 ** choice.randint(-300, 300)
        case "literal":
            return choice.choice([True, False, None])
        case "array":
            return [_value(choice, depth + 1) for _ in range(choice.randint(0, 4))]
        case "object":
            keys = ["usage", "choices", "error", "type", "delta", "", "k", "é"]
            return {choice.choice(keys): _value(choice, depth + 1) for _ in range(choice.randint(0, 4))}


def _documents(choice: random.Random) -> list[str]:
    documents = []
    for _ in range(4_000):
        text = json.dumps(_value(choice, 0), ensure_ascii=choice.random() < 0.5, indent=choice.choice([None, None, 1]))
        documents.append(text)
        damaged = list(text)
        for _ in range(choice.randint(1, 2)):
            at = choice.randrange(len(damaged) + 1)
            damaged[at : at + choice.randint(0, 1)] = choice.choice(ALPHABET)
        documents.append("".join(damaged))
        documents.append("".join(choice.choice(ALPHABET) for _ in range(choice.randint(0, 8))))
    return documents


def test_the_same_documents_are_valid():
    documents = _documents(random.Random(seed()))
    ours = verdicts([("j", document.encode()) for document in documents])
    theirs = [is_json(document) for document in documents]
    wrong = [
        f"{document!r}: ours {mine}, Python's {valid}"
        for document, mine, valid in zip(documents, ours, theirs, strict=True)
        if (mine == "valid") != valid
    ]
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:20])
    assert min(theirs.count(True), theirs.count(False)) > 2_000, "too few of one kind to compare"


def test_the_comparison_can_fail():
    assert verdicts([("j", b"[1,2]"), ("j", b"[1,2")])[0] == "valid"
    assert verdicts([("j", b"[1,2")])[0].startswith("refused")
    assert is_json("[1,2]") and not is_json("[1,2") and not is_json("NaN")


def test_the_limit_on_depth_is_the_edge_s_own():
    deep = [b"[" * depth + b"]" * depth for depth in (128, 129)]
    assert [line == "valid" for line in verdicts([("j", text) for text in deep])] == [True, False]
