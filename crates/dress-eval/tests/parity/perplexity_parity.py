"""Perplexity of `dress eval` and of transformers (CPU, f32) by the same protocol on the same file: the whole text tokenized
once, blocks of --seqlen tokens, --stride tokens apart where it is given.

usage: python perplexity_parity.py DIR... --dress target/release/dress --data FILE [--seqlen 1024] [--max-blocks 16] [--stride N]

needs: pip install torch transformers
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

import torch
from transformers import AutoModelForCausalLM

from stock_tokenizer import tokenizer_of

TOLERANCE = 1e-3


def spans(args, count):
    """Where every block begins and ends, and the first of its tokens that is counted."""
    if args.stride is None:
        starts = range(0, count - args.seqlen + 1, args.seqlen)
        return [(start, start + args.seqlen, start + 1) for start in starts][: args.max_blocks]
    found, counted = [], 1
    for start in range(0, count, args.stride):
        end = min(start + args.seqlen, count)
        found.append((start, end, counted))
        counted = end
        if end == count:
            break
    return found[: args.max_blocks]


def by_transformers(args, directory):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    ids = tokenizer_of(directory)(args.data.read_text(encoding="utf-8"), return_tensors="pt").input_ids[0]
    total, count = 0.0, 0
    for start, end, counted in spans(args, len(ids)):
        block = ids[start:end]
        with torch.no_grad():
            logits = model(block[None]).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, block[1:], reduction="none")[counted - start - 1 :]
        total, count = total + losses.double().sum().item(), count + len(losses)
    return math.exp(total / count), count


def by_dress(args, directory):
    command = [args.dress, "eval", "--model", str(directory), "--data", str(args.data), "--seqlen", str(args.seqlen), "--json"]
    if args.max_blocks is not None:
        command += ["--max-blocks", str(args.max_blocks)]
    if args.stride is not None:
        command += ["--stride", str(args.stride)]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found["perplexity"], found["targets"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directories", nargs="+", type=pathlib.Path)
    parser.add_argument("--dress", required=True)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--seqlen", type=int, default=1024)
    parser.add_argument("--max-blocks", type=int)
    parser.add_argument("--stride", type=int)
    args = parser.parse_args()
    bad = 0
    print(f"{'model':28} {'targets':>8} {'here':>10} {'transformers':>12} {'relative':>9}")
    for directory in args.directories:
        (here, counted), (there, count) = by_dress(args, directory), by_transformers(args, directory)
        relative = here / there - 1
        bad += abs(relative) > TOLERANCE or counted != count
        print(f"{directory.name:28} {count:8} {here:10.5f} {there:12.5f} {relative:+9.1e}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
