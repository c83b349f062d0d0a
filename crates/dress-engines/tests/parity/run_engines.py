"""Gives checkpoints of every family and axis to the real engines, and compares what they do with what `dress` says of it.

Every engine has a virtual environment of its own under DIR, with the packages that `environments.json` pins; those that are
not there are made. Of every pair of checkpoint and engine it is said whether 24 greedy tokens are those of `dress generate`,
are others, or none come out, and whether `dress inspect --for all` expects that. Prints the table of
`docs/results/engines.md`, and exits with 1 where a pair is not as expected.

With `--keep DIR` what came out is kept in DIR/found.json, and `--found FILE ...` takes it from there, so that other tables are
compared without running the engines again.

usage: python run_engines.py --dress FILE --environments DIR [--engine NAME ...] [--case TEXT ...] [--keep DIR] [--found FILE ...]
"""
import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import venv

import cases

HERE = pathlib.Path(__file__).parent
PINNED = json.loads((HERE / "environments.json").read_text())
NEW = 24
EXPECTED = {"loads": "equal", "loads-as": "equal", "wrong": "other text", "refused": "fails"}


def environment(place, engine):
    """The Python of an engine's environment, or why there is none."""
    python = place / engine / "bin" / "python"
    if not python.exists():
        venv.create(place / engine, with_pip=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", "--only-binary", ":all:", *PINNED[engine]],
                              capture_output=True, text=True)
        if done.returncode:
            return None, done.stderr.strip().splitlines()[-1]
    return python, None


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout.strip().splitlines()[-1]), None


def need(*command):
    said, error = run(*command)
    if error:
        sys.exit(f"{' '.join(map(str, command))}: {error}")
    return said


def job(dress, work, number, case):
    """A case as its checkpoint, its other forms, what comes out of it here and what is expected of every engine."""
    name, model, chosen, changed = case
    place = work / str(number)
    directory = cases.source(model, changed, place / "dense")
    if chosen:
        out = place / "sliced"
        need(*cases.prune_command(dress, directory, chosen, out))
        directory = out
    elif not (directory / "tokenizer_config.json").exists():
        tokens = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
        if model.startswith("llama"):
            tokens["tokenizer_class"] = "PreTrainedTokenizerFast"
        (directory / "tokenizer_config.json").write_text(json.dumps(tokens))
    made = {"case": name, "directory": str(directory), "new": NEW}
    for key, format in [("gguf", ["--type", "f32"]), ("nas", ["--format", "mlx-nas"])]:
        path = place / f"model.{key}"
        differs = "dress" in json.loads((directory / "config.json").read_text())
        if (key == "gguf" or differs) and not run(dress, "export", "--model", directory, "--out", path, *format, "--json")[1]:
            made[key] = str(path)
    said = need(dress, "logits", "--model", directory, "--data", cases.TEXTS / "heldout.txt", "--max-new-tokens", NEW, "--out",
                place / "reference", "--json")["greedy"]
    made["prompt"], made["greedy"] = said[:-NEW], said[-NEW:]
    served = need(dress, "inspect", "--model", directory, "--for", ",".join(PINNED), "--json")["served"]
    made["expected"] = {report["by"]: report for report in served}
    return made


def text_of(directory, ids):
    """Ids as text: byte-level tokens, special ones left out."""
    said = json.loads((pathlib.Path(directory) / "tokenizer.json").read_text())
    tokens = {id: token for token, id in said["model"]["vocab"].items()}
    special = {token["id"] for token in said["added_tokens"]}
    kept = "".join(tokens.get(id, "") for id in ids if id not in special)
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    bytes_of = {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(others)}
    return bytes(bytes_of[char] for char in kept).decode("utf-8", "replace")


def results(python, engine, jobs):
    """What an engine does with every job. A process that dies is said to, and another one takes the next job."""
    found, versions, left = {}, {}, list(jobs)
    while left:
        lines = "".join(json.dumps(job) + "\n" for job in left)
        done = subprocess.run([python, HERE / "engines.py", engine], input=lines, capture_output=True, text=True, timeout=3600)
        for line in done.stdout.splitlines():
            kind, _, said = line.partition(" ")
            if kind == "VERSIONS":
                versions = json.loads(said)
            if kind == "RESULT":
                said = json.loads(said)
                found[said["case"]] = said
        left = [job for job in left if job["case"] not in found]
        if left:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            found[left[0]["case"]] = {"error": f"the process ends with {done.returncode}: {last}"[:300]}
            left = left[1:]
    return found, versions


def outcome(job, result):
    if "error" in result:
        return "fails"
    if "ids" in result:
        return "equal" if result["ids"] == job["greedy"] else "other text"
    return "equal" if result["text"] == job["added"] else "other text"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", required=True, type=pathlib.Path)
    parser.add_argument("--environments", required=True, type=pathlib.Path)
    parser.add_argument("--engine", action="append", choices=list(PINNED))
    parser.add_argument("--case", action="append", help="a part of its name")
    parser.add_argument("--keep", type=pathlib.Path, help="an empty directory for the checkpoints and what came out")
    parser.add_argument("--found", type=pathlib.Path, nargs="+", default=[], help="what came out before")
    args = parser.parse_args()
    known = {}
    for path in args.found:
        known |= json.loads(path.read_text())
    engines = args.engine or list(PINNED)
    chosen = [case for case in cases.CASES if not args.case or any(part in case[0] for part in args.case)]
    with contextlib.ExitStack() as stack:
        work = args.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        jobs = [job(args.dress, work, number, case) for number, case in enumerate(chosen)]
        for made in jobs:
            made["text"], made["added"] = (text_of(made["directory"], made[ids]) for ids in ("prompt", "greedy"))
        found = {}
        for engine in engines:
            if engine in known:
                found[engine] = known[engine]
                continue
            began = time.time()
            python, why = environment(args.environments, engine)
            found[engine] = results(python, engine, jobs) if python else ({}, {"not to be had": why})
            print(f"{engine}: {found[engine][1]} {time.time() - began:.0f} s", file=sys.stderr, flush=True)
        if args.keep:
            (work / "found.json").write_text(json.dumps(found, indent=1))
    sys.exit(report(jobs, engines, found))


def report(jobs, engines, found):
    """Prints the table, what is not as expected, and the errors; returns whether anything is not."""
    pairs, other, errors = 0, [], {}
    print("| checkpoint | " + " | ".join(engines) + " |\n" + "|---" * (len(engines) + 1) + "|")
    for made in jobs:
        cells = []
        for engine in engines:
            result = found[engine][0].get(made["case"])
            if result is None:
                cells.append("not to be had")
                continue
            got, verdict = outcome(made, result), made["expected"][engine]
            wanted, pairs = EXPECTED.get(verdict["verdict"], "not tried"), pairs + 1
            if got != wanted:
                other.append(f"{made['case']}, {engine}: {got}, and `inspect` says {verdict['verdict']} {verdict.get('why', '')}")
            if "error" in result:
                errors.setdefault((engine, result["error"]), []).append(made["case"])
            cells.append(got if got == wanted else f"**{got}**")
        print(f"| {made['case']} | " + " | ".join(cells) + " |")
    print(f"\n{pairs - len(other)} of {pairs} pairs are what `dress inspect --for all` says.")
    for line in other:
        print(f"- {line}")
    print()
    for (engine, error), names in errors.items():
        print(f"- {engine}: `{error}` ({len(names)}: {names[0]})")
    print("\nVersions: " + "; ".join(f"{name} {number}" for engine in engines for name, number in found[engine][1].items()))
    return 1 if other else 0


if __name__ == "__main__":
    main()
