"""A training step of a checkpoint here and in PyTorch, alternating, on the same threads, as ratios.

Needs `pip install torch transformers` and `cargo build --release -p dress-train --example step_speed`. Both do forward,
backward, the gradients' norm and AdamW on 1 x SEQLEN tokens of float32. On a machine that others use too, the
processor seconds of a step say more than its duration; the least of all rounds counts.

usage: python step_against_torch.py DIR [--step target/release/examples/step_speed] [--seqlen 1024] [--rounds 3]
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys

TORCH = pathlib.Path(__file__).parent.parent / "crates/dress-models/tests/parity/torch_speed.py"

parser = argparse.ArgumentParser()
parser.add_argument("directory")
parser.add_argument("--step", default="target/release/examples/step_speed")
parser.add_argument("--seqlen", type=int, default=1024)
parser.add_argument("--steps", type=int, default=4)
parser.add_argument("--rounds", type=int, default=3)
args = parser.parse_args()


def run(*command):
    """The last line, and the processor seconds of the whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout.strip().splitlines()[-1], cpu


rounds = []
for _ in range(args.rounds):
    _, idle = run(args.step, args.directory, "train", args.seqlen, 0)
    here, cpu = run(args.step, args.directory, "train", args.seqlen, args.steps)
    torch, _ = run(sys.executable, TORCH, args.directory, "--only-train", "--train-seqlen", args.seqlen,
                   "--threads", os.cpu_count(), "--repeats", args.steps - 1)
    here, torch = json.loads(here), json.loads(torch)
    rounds.append({"step_s": here["best_s"], "step_cpu_s": (cpu - idle) / args.steps, "peak_mb": here["peak_mb"],
                   "torch_step_s": args.seqlen / torch["train_tokens_per_second"],
                   "torch_step_cpu_s": torch["train_cpu_s"], "torch_peak_mb": torch["peak_mb"]})
    print(json.dumps(rounds[-1]), file=sys.stderr)
least = {name: min(one[name] for one in rounds) for name in rounds[0]}
print(json.dumps({"seqlen": args.seqlen, **least, "speed_ratio": least["torch_step_s"] / least["step_s"],
                  "cpu_ratio": least["torch_step_cpu_s"] / least["step_cpu_s"]}))
