"""Whether two builds of `dress` make the same of the four models that ship: their weights byte by byte, and what went.

Each model is pruned as its example prunes it (axes and ratio as asked for, with fewer blocks), once directly and once regularized, by either
binary in turn. One of them is the build before a change that must not move a bit. Exits with 1 where anything differs.

usage: python same_bits.py BEFORE AFTER [--samples 64] [--keep DIR] [NAME...]
"""
import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

MODELS = pathlib.Path(__file__).resolve().parent.parent / "examples" / "models"
# The axes of each model's example.
AXES = {"llama2-kjv": "residual,ffn", "llama3-kjv": "residual", "opt-kjv": "residual,heads", "phi2-kjv": "residual,heads"}
WAYS = {"directly": ["--no-regularize"], "regularized": []}


def prune(binary, name, way, out, args):
    words = [binary, "prune", "--model", MODELS / name, "--axis", AXES[name], "--ratio", "0.25", *WAYS[way],
             "--calibration", MODELS / "kjv" / "calibration.txt", "--samples", args.samples, "--seqlen", args.seqlen,
             "--hold-back", "0", "--device", "cpu", "--target", "all", "--out", out]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}")


def result(out):
    """The hash of each file of weights, and the selection of the plan."""
    weights = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.glob("*.safetensors"))}
    if not weights:
        sys.exit(f"{out} has no weights")
    return weights, json.loads((out / "plan.json").read_text())["selection"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--seqlen", type=int, default=256)
    parser.add_argument("--keep", type=pathlib.Path, help="a directory for the results, instead of one that goes")
    parser.add_argument("names", nargs="*", choices=[[], *AXES])
    args = parser.parse_args()
    differ = False
    with tempfile.TemporaryDirectory() as scratch:
        place = args.keep or pathlib.Path(scratch)
        for name in args.names or AXES:
            for way in WAYS:
                outs = [place / f"{name}-{way}-{build}" for build in ("before", "after")]
                for binary, out in zip([args.before, args.after], outs):
                    prune(binary, name, way, out, args)
                (weights, gone), (other_weights, also_gone) = map(result, outs)
                said = {"weights": weights == other_weights, "selection": gone == also_gone}
                differ |= not all(said.values())
                words = ", ".join(f"{what} {'the same' if same else 'DIFFER'}" for what, same in said.items())
                print(f"{name} {way}: {words}", flush=True)
    sys.exit(differ)


if __name__ == "__main__":
    main()
