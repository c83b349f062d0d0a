"""Changes to tiny checkpoints, each of which somebody's file could have: see `registry.py`."""
from . import configs, tokens, weights  # noqa: F401  (they fill the registry)
from .checkpoint import TEXT, Checkpoint
from .registry import CASES, Case

__all__ = ["CASES", "TEXT", "Case", "Checkpoint"]
