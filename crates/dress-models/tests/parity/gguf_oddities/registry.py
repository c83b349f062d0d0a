"""The list that the modules of oddities fill. What ends llama.cpp itself is not in it: kinds of scaling that it does not know, norms
that are not F32, experts without a number of used ones, another type of `split.no`, Phi's joined projections beside another length of
heads, rotations wider than a head, alignments below 32, numbers of key heads that differ between layers, and matrices
of integers."""
import dataclasses
import typing

from .file import WORDS


@dataclasses.dataclass
class Case:
    """`says` is a word that our refusal has to have where llama.cpp reads the file; a case that is `read` may not be refused."""
    name: str
    act: typing.Callable
    family: str = "llama"
    vocabulary: str = "gpt2"
    says: str | None = None
    read: bool = False
    text: str = WORDS
    limit: float = 1e-3


CASES = []


def add(name, act=lambda file: None, families="llama", **options):
    for family in families.split():
        CASES.append(Case(f"{family}/{name}", act, family, **options))


def of_all(*acts):
    def act(file):
        for one in acts:
            one(file)
    return act


def put(key, kind, value):
    return lambda file: file.set(key, kind, value)


def own(key, kind, value):
    return lambda file: file.own(key, kind, value)


def drop(*keys):
    def act(file):
        for key in keys:
            file.keys.pop(key.replace("FAMILY", file.family), None)
    return act


def tensor(change):
    """`change` gets the dictionary of tensors."""
    return lambda file: change(file.tensors)


def attribute(name, value):
    return lambda file: setattr(file, name, value)
