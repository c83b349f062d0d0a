"""Prefill and decode of a checkpoint here, in PyTorch and, where they are there, in candle and llama.cpp: alternating, on the
same threads, as ratios.

Needs `pip install torch transformers` and the release build of `dress`; for candle `cargo build --release
--manifest-path benches/candle/Cargo.toml` and its binary; for llama.cpp `pip install xllamacpp gguf`. All run 1 x SEQLEN
tokens of float32 and greedy decoding after a prompt. PyTorch and `dress` make all logits of the prefill, candle and
llama.cpp the last ones alone. Each side is a process of its own and the median of its rounds counts, so that drift of
the machine falls on all.

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


def generate(new):
    done = run(args.dress, "generate", "--model", args.directory, "--prompt", "The", "--max-new-tokens", new, "--json")
    return done["seconds"], len(done["tokens"])


def here():
    evaluated = run(args.dress, "eval", "--model", args.directory, "--data", args.data, "--seqlen", args.seqlen,
                    "--max-blocks", 4, "--json")
    (short, few), (long, many) = generate(2), generate(50)
    if many <= few:
        sys.exit("the model ends its text too soon to time its decoding")
    return {"prefill_tokens_per_second": evaluated["tokens_per_second"],
            "decode_tokens_per_second": (many - few) / (long - short)}


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
print(f"{threads} threads, 1 x {args.seqlen} tokens, medians of {args.rounds} rounds (least to greatest)")
print(f"{'':10} {'prefill, tokens/s':>28} {'here / it':>10} {'decode, tokens/s':>28} {'here / it':>10}")
medians = {}
for side, found in rounds.items():
    columns = []
    for what in ("prefill", "decode"):
        values = [one[f"{what}_tokens_per_second"] for one in found]
        medians[side, what] = statistics.median(values)
        spread = f"{medians[side, what]:.1f} ({min(values):.1f} to {max(values):.1f})"
        columns += [f"{spread:>28}", f"{medians['here', what] / medians[side, what]:>10.2f}"]
    print(f"{side:10} {' '.join(columns)}", flush=True)
