"""Oddities of GGUF files, and the file that they are written to."""
from . import keys, layout, tokens
from .file import WORDS, File
from .registry import CASES
