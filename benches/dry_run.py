"""What `--dry-run` says of long commands beside what then happens: the peak of memory and the minutes, as ratios.

Every command runs first with `--dry-run`, then as it is, in an empty directory, one after the other on a machine that does
nothing else. With --quality it also says what the measurement of quality costs (the same command with `--hold-back 0`, in
processor seconds) and how far it is from `dress eval` on the same blocks.

usage: python dry_run.py MODEL --calibration TEXT --validate TEXT [--dress target/release/dress] [--quality] [NAME...]
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SIZES = ["--samples", "16", "--seqlen", "1024"]
RIDGE = ["--axis", "ffn", "--params", "0.75", "--no-regularize", "--compensate", "ridge"]
# The words of each command; MODEL, TEXT and RIDGE stand for the checkpoint, the calibration and what `ridge` leaves.
COMMANDS = {
    "ridge": ["prune", "--model", "MODEL", *RIDGE, "--calibration", "TEXT", *SIZES],
    "width": ["prune", "--model", "MODEL", "--axis", "residual", "--ratio", "0.25", "--calibration", "TEXT", *SIZES],
    "recover": ["recover", "--model", "RIDGE", "--full", "--distill-from", "MODEL", "--calibration", "TEXT", *SIZES],
    "search": ["prune", "--model", "MODEL", "--params", "0.75", "--calibration", "TEXT", *SIZES],
    "local": ["prune", "--model", "MODEL", "--axis", "ffn", "--params", "0.75", "--local", "--calibration", "TEXT",
              "--samples", "8", "--seqlen", "512"],
    "score": ["score", "--model", "MODEL", "--axis", "ffn", "--params", "0.75", "--calibration", "TEXT", *SIZES],
}


def run(words):
    """Its last line as JSON, seconds, processor seconds and the peak of memory in bytes."""
    began = time.monotonic()
    child = subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said, errors = child.stdout.read(), child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{' '.join(words)}: {errors}")
    return json.loads(said), time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def elsewhere(words, mark, *more):
    """The same command with its result in another place."""
    out = words.index("--out") + 1
    return [*words[:out], f"{words[out]}-{mark}", *words[out + 1:], *more]


def quality(words, done, args):
    """What measuring quality costs in processor seconds, and the perplexity of --validate beside that of `dress eval`."""
    plain = words[:words.index("--validate")]
    usual, without = (run(elsewhere(plain, mark, *more))[2] for mark, more in
                      [("usual", []), ("bare", ["--hold-back", "0"])])
    here = next(text for text in done["quality"] if not text["held_back"])["after"]["perplexity"]
    out = words[words.index("--out") + 1]
    there = run([args.dress, "eval", "--model", out, "--data", args.validate, "--seqlen", "1024", "--max-blocks", "16"])[0]
    there = there["report"]["perplexity"] if "report" in there else there["perplexity"]
    return {"cpu_with_and_without_quality": [round(usual, 1), round(without, 1)], "perplexity_here_and_by_eval": [here, there]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--validate", required=True)
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("--keep", type=pathlib.Path, help="a directory for the results")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = args.keep or pathlib.Path(scratch)
        known = {"MODEL": args.model, "TEXT": args.calibration, "RIDGE": str(place / "ridge")}
        for name in args.names or COMMANDS:
            words = [args.dress, *(known.get(word, word) for word in COMMANDS[name])]
            words += ["--out", str(place / (name if name != "score" else "score.json"))]
            if words[1] in ("prune", "recover"):
                words += ["--validate", args.validate]
            planned, dry, _, _ = run([*words, "--dry-run"])
            done, seconds, cpu, peak = run(words)
            estimate = planned["estimate"]
            said = {"command": name, "dry_seconds": round(dry, 1), "seconds": [round(estimate["seconds"], 1), round(seconds, 1)],
                    "seconds_ratio": round(estimate["seconds"] / seconds, 3),
                    "peak_mib": [estimate["peak_bytes"] >> 20, peak >> 20],
                    "peak_ratio": round(estimate["peak_bytes"] / peak, 3), "stages": estimate["stages"], "cpu": round(cpu, 1)}
            if args.quality and words[1] in ("prune", "recover"):
                said |= quality(words, done, args)
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
