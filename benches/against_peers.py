"""Prefill and decode of a checkpoint here, in PyTorch and, where they are there, in candle and llama.cpp: alternating, on the
same threads, as ratios.

Needs `pip install torch transformers` and the release build of `dress`; for candle `cargo build --release
--manifest-path benches/candle/Cargo.toml` and its binary; for llama.cpp `pip install xllamacpp gguf`. All run 1 x SEQLEN
tokens of float32, PyTorch and `dress` once with all logits and once with the last ones alone, as candle and llama.cpp have
it, and decode 32 tokens greedily after a prompt of 64. Each side is a process of its own and the median of its
rounds counts, so that drift of the machine falls on all.

usage: python against_peers.py DIR --data TEXT [--dress target/release/dress] [--candle BINARY] [--llama-cpp]
                               [--seqlen 1024] [--rounds 3]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
TORCH = HERE.parent / "crates/dress-models/tests/parity/torch_speed.py"

parser = argparse.ArgumentParser()
parser.add_argument("directory")
parser.add_argument("--data", required=True)
parser.add_argument("--dress", default="target/release/dress")
parser.add_argument("--candle")
parser.add_argument("--llama-cpp", action="store_true")
parser.add_argument("--seqlen", type=int, default=1024)
parser.add_argument("--rounds", type=int, default=3)
args = parser.parse_args()
threads = os.cpu_count()


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def here():
    evaluated = run(args.dress, "eval", "--model", args.directory, "--data", args.data, "--seqlen", args.seqlen,
                    "--max-blocks", 4, "--speed", "--prefill-tokens", args.seqlen, "--prompt-tokens", 64, "--new-tokens", 32,
                    "--batches", 1, "--rounds", 3, "--warmup", 1, "--json")
    speed = evaluated["speed"]
    return {"prefill_tokens_per_second": evaluated["tokens_per_second"],
            "last_tokens_per_second": 1000 * args.seqlen / speed["prefill_ms"]["median"],
            "decode_tokens_per_second": 1000 / speed["decode_ms"]["median"]}


sides = {"here": here,
         "torch": lambda: run(sys.executable, TORCH, args.directory, "--seqlen", args.seqlen, "--threads", threads,
                              "--repeats", 3, "--no-train")}
if args.candle:
    sides["candle"] = lambda: run(args.candle, args.directory, args.seqlen, 3)
if args.llama_cpp:
    sides["llama_cpp"] = lambda: run(sys.executable, HERE / "llama_cpp_speed.py", args.directory, "--seqlen", args.seqlen,
                                     "--threads", threads)
rounds = {side: [] for side in sides}
for _ in range(args.rounds):
    for side, measure in sides.items():
        rounds[side].append(measure())
print(f"{threads} threads, 1 x {args.seqlen} tokens a second, medians of {args.rounds} rounds (least to greatest)")
KINDS = {"prefill": "prefill, all logits", "last": "prefill, the last", "decode": "decode"}
print(" " * 10 + "".join(f"{title:>28}{'here / it':>11}" for title in KINDS.values()))
medians = {}
for side, found in rounds.items():
    line = f"{side:10}"
    for kind in KINDS:
        values = [one[f"{kind}_tokens_per_second"] for one in found if f"{kind}_tokens_per_second" in one]
        if not values:
            line += " " * 39
            continue
        medians[side, kind] = statistics.median(values)
        spread = f"{medians[side, kind]:.1f} ({min(values):.1f} to {max(values):.1f})"
        line += f"{spread:>28}{medians['here', kind] / medians[side, kind]:>11.2f}"
    print(line, flush=True)
