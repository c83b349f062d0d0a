"""Every family, dense and sliced, on a device beside the CPU: logits, greedy text and, without `--no-train`, a whole run of
`dress prune`, as one Markdown table. Operations joined into one kernel and each on its own.

Prunes the small models in `examples/models` on the CPU and runs `dress logits` of each on both. Burn multiplies f32 on tensor
cores in tf32, so that f32 is held to 2e-3 of the logits' norm, and bf16 to 2e-2. Exits with 1 where one is further away.

usage: python check_device.py [--dress target/release/dress] [--device cuda] [--no-train]
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors.numpy import load_file

MODELS = pathlib.Path(__file__).parents[4] / "examples" / "models"
TEXTS = MODELS / "kjv"
CASES = [("llama3-kjv", [], 0), ("llama2-kjv", [], 0), ("opt-kjv", [], 0), ("phi2-kjv", [], 0),
         ("llama3-kjv", ["residual"], 0.25), ("llama3-kjv", ["ffn"], 0.25), ("llama2-kjv", ["heads"], 0.5),
         ("opt-kjv", ["residual", "heads"], 0.25), ("phi2-kjv", ["residual", "heads"], 0.25)]
LIMITS = {"f32": 2e-3, "bf16": 2e-2}

parser = argparse.ArgumentParser()
parser.add_argument("--dress", default="target/release/dress")
parser.add_argument("--device", default="cuda")
parser.add_argument("--no-train", action="store_true")
args = parser.parse_args()


def dress(*words, fused=True):
    environment = os.environ | ({} if fused else {"BURN_FUSION_MAX_EXPLORATIONS": "0"})
    done = subprocess.run([args.dress, *map(str, words), "--json"], capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def prune(model, axes, out, *more):
    chosen = [word for axis in axes for word in ("--axis", axis)]
    dress("prune", "--model", MODELS / model, "--calibration", TEXTS / "calibration.txt", *chosen, "--out", out, *more)


def logits(model, out, device, dtype="f32", fused=True):
    dress("logits", "--model", model, "--data", TEXTS / "heldout.txt", "--tokens", 256, "--out", out, "--device", device,
          "--dtype", dtype, "--force", fused=fused)
    found = load_file(out)
    return found["logits"].astype(np.float64), found["greedy"].tolist()


wrong = 0
print("| model | removed | type | kernels | distance of the logits, relative | same likeliest token | greedy text |")
print("|---|---|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as scratch:
    scratch = pathlib.Path(scratch)
    for case, (name, axes, ratio) in enumerate(CASES):
        model = MODELS / name
        if axes:
            model = scratch / f"model-{case}"
            prune(name, axes, model, "--ratio", ratio, "--no-regularize", "--samples", 16, "--seqlen", 256, "--device", "cpu")
        expected, text = logits(model, scratch / "cpu.safetensors", "cpu")
        for dtype, limit in LIMITS.items():
            for fused in (True, False):
                found, greedy = logits(model, scratch / "device.safetensors", args.device, dtype, fused)
                distance = np.linalg.norm(found - expected) / np.linalg.norm(expected)
                same = (found.argmax(-1) == expected.argmax(-1)).mean()
                wrong += not distance < limit
                print(f"| {name} | {f'{ratio:.0%} of ' + ' and '.join(axes) if axes else 'nothing'} | {dtype} | "
                      f"{'joined' if fused else 'single'} | {distance:.1e} | {same:.1%} | "
                      f"{'equal' if greedy == text else 'differs'} |", flush=True)
    if not args.no_train:
        found = {}
        for device in ("cpu", args.device):
            out = scratch / f"trained-{device.replace(':', '-')}"
            prune("llama3-kjv", ["residual"], out, "--ratio", 0.25, "--samples", 16, "--seqlen", 128, "--device", device)
            evaluated = dress("eval", "--model", out, "--data", TEXTS / "heldout.txt", "--seqlen", 128, "--device", "cpu")
            found[device] = evaluated["perplexity"]
        wrong += not abs(found[args.device] / found["cpu"] - 1) < 1e-3
        print(f"\nllama3-kjv, 25% of the width regularized, sliced and evaluated: perplexity {found}")
sys.exit(1 if wrong else 0)
