"""Prefill and decode of a checkpoint here and in PyTorch, alternating, on the same threads, as ratios.

Needs `pip install torch transformers` and the release build of `dress`. Both run 1 x SEQLEN tokens of float32
with all logits, and greedy decoding after a prompt; each side is a process of its own and the median of its
rounds counts, so that drift of the machine falls on both.

usage: python against_torch.py DIR --data TEXT [--dress target/release/dress] [--seqlen 1024] [--rounds 3]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

TORCH = pathlib.Path(__file__).parent.parent / "crates/dress-models/tests/parity/torch_speed.py"

parser = argparse.ArgumentParser()
parser.add_argument("directory")
parser.add_argument("--data", required=True)
parser.add_argument("--dress", default="target/release/dress")
parser.add_argument("--seqlen", type=int, default=1024)
parser.add_argument("--rounds", type=int, default=3)
args = parser.parse_args()
threads = os.cpu_count()


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def generate(new):
    done = run(args.dress, "generate", "--model", args.directory, "--prompt", "The", "--max-new-tokens", new, "--json")
    return done["seconds"], len(done["tokens"])


rounds = {name: [] for name in ("prefill", "decode", "torch_prefill", "torch_decode")}
for _ in range(args.rounds):
    evaluated = run(args.dress, "eval", "--model", args.directory, "--data", args.data, "--seqlen", args.seqlen,
                    "--max-blocks", 4, "--json")
    rounds["prefill"].append(evaluated["tokens_per_second"])
    (short, few), (long, many) = generate(2), generate(50)
    if many > few:
        rounds["decode"].append((many - few) / (long - short))
    torch = run(sys.executable, TORCH, args.directory, "--seqlen", args.seqlen, "--threads", threads, "--repeats", 3)
    rounds["torch_prefill"].append(torch["prefill_tokens_per_second"])
    rounds["torch_decode"].append(torch["decode_tokens_per_second"])
medians = {name: statistics.median(values) for name, values in rounds.items() if values}
print(json.dumps({"threads": threads, "seqlen": args.seqlen, **medians,
                  "prefill_ratio": medians["prefill"] / medians["torch_prefill"],
                  "decode_ratio": medians["decode"] / medians["torch_decode"]}))
