"""Every family and axis: pruned by `dress`, loaded by stock transformers and llama.cpp, compared, as one Markdown table.

Prunes the small models in `examples/models` without training, so that only the slicing is at stake, and runs
`check_stock.py` and, where llama.cpp knows the family, `check_llama_cpp.py` on each result. Exits with 1 where one
differs.

usage: python check_all.py [--dress target/release/dress]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parents[3] / "examples" / "models"
CASES = [
    ("llama3-kjv", ["residual"], 0.25, "any"), ("llama3-kjv", ["ffn"], 0.25, "any"), ("llama3-kjv", ["heads"], 0.5, "any"),
    ("llama2-kjv", ["residual"], 0.25, "any"), ("llama2-kjv", ["ffn"], 0.25, "any"), ("llama2-kjv", ["heads"], 0.5, "any"),
    ("opt-kjv", ["residual", "heads"], 0.25, "any"), ("opt-kjv", ["ffn"], 0.25, "any"),
    ("phi2-kjv", ["residual", "heads"], 0.25, "any"), ("phi2-kjv", ["ffn"], 0.25, "any"),
    ("phi2-kjv", ["residual"], 0.25, "transformers"), ("phi2-kjv", ["heads"], 0.25, "transformers"),
]


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    if not lines:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return done.returncode, json.loads(lines[-1])


parser = argparse.ArgumentParser()
parser.add_argument("--dress", default="target/release/dress")
args = parser.parse_args()
print("| model | removed | `--target` | parameters | transformers: largest difference of a logit | greedy text | llama.cpp: greedy text |")
print("|---|---|---|---|---|---|---|")
wrong = 0
for name, axes, ratio, target in CASES:
    with tempfile.TemporaryDirectory() as scratch:
        out, reference = pathlib.Path(scratch) / "out", pathlib.Path(scratch) / "reference.safetensors"
        chosen = [word for axis in axes for word in ("--axis", axis)]
        texts = MODELS / "kjv"
        code, pruned = run(args.dress, "prune", "--model", MODELS / name, "--calibration", texts / "calibration.txt", *chosen,
                           "--ratio", ratio, "--target", target, "--no-regularize", "--samples", 16, "--seqlen", 256,
                           "--out", out, "--json")
        wrong += code
        wrong += run(args.dress, "logits", "--model", out, "--data", texts / "heldout.txt", "--out", reference, "--json")[0]
        code, stock = run(sys.executable, HERE / "check_stock.py", out, "--reference", reference)
        wrong += code
        text = "not one of its families"
        if not name.startswith("opt") and target == "any":
            code, cpp = run(sys.executable, HERE / "check_llama_cpp.py", out, "--reference", reference, "--pre", "gpt-2")
            wrong += code
            text = "equal" if cpp["greedy_equal"] else "differs"
        elif target == "transformers":
            text = "shape not accepted"
        print(f"| {name} | {ratio:.0%} of {' and '.join(axes)} | {target} | {pruned['parameters']:,} | {stock['max_abs_difference']:.1e} | "
              f"{'equal' if stock['greedy_equal'] else 'differs'} | {text} |", flush=True)
sys.exit(1 if wrong else 0)
