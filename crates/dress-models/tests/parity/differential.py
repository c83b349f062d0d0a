"""Generated oddities of configuration, tokenizer files, sharding, tying and type, each read by stock transformers and by `dress`.

Every oddity in `oddities/` is written as a tiny random checkpoint. Stock transformers loads it in float32 and gives token ids, logits
and the perplexity of blocks of 32 tokens; `dress logits` and `dress eval` give theirs. What comes out is one of

    equal                    the same ids, and logits and perplexity within 1e-4
    both refuse              stock raises, or says that tensors are missing and draws them at random
    we refuse with a cause   stock reads it; the error is one of ours, names the file or the key, and has the oddity's word
    we alone read it         stock refuses it; we read it, and it means what the same checkpoint means without the oddity, or what the
                             case that it names means, where stock fails by a fault of its own
    different                anything else: other numbers, a refusal without a cause, a panic, a file that stock refuses and
                             that we read as another model, or a refusal of what published checkpoints have (`registry.COMMON`)

With `--rotate`, what comes out equal is also rewritten by `dress rotate`, from file to file, which leaves logits and tokenizer as they
are: stock has to read of the result what it read of the checkpoint, logits within 1e-3, or 2e-2 where the files are not float32. What
`rotate` refuses counts as it would without.

Each of the different ones is printed when it is met, a table of the classes last. Exits with 1 where there is a different one. `--results FILE` keeps what either side gave, under the
SHA-256 of the files and of the binary, so that a run that was broken off or a new binary costs only what is new.

usage: python differential.py [--dress target/release/dress] [--only WORDS] [--part I/N] [--results FILE] [--rotate] [--keep DIR] [--markdown FILE]
"""
import argparse
import base64
import collections
import functools
import hashlib
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import warnings

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import oddities

TOKENS, SEQLEN, BLOCKS, LIMIT, ROTATED_LIMIT, ROUNDED_LIMIT = 64, 32, 4, 1e-4, 1e-3, 2e-2
CLASSES = ("equal", "both refuse", "we refuse with a cause", "we alone read it", "different")


def packed(logits):
    """Every fourth position's logits as text: each depends on all before it, and the kept results stay small."""
    return base64.b64encode(logits[3::4].float().numpy().tobytes()).decode()


def perplexity(model, ids):
    blocks = [ids[start:start + SEQLEN] for start in range(0, len(ids) - SEQLEN + 1, SEQLEN)][:BLOCKS]
    if not blocks:
        return None
    batch = torch.tensor(blocks)
    logits = model(batch, return_dict=True).logits.float()[:, :-1]
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))
    return math.exp(min(loss.item(), 700))


def too_long(*_):
    raise TimeoutError("stock took over 30 s")


def stock(directory):
    """What transformers makes of the directory: ids, logits and perplexity, or why not."""
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(30)
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
        ids = tokenizer(oddities.TEXT)["input_ids"]
        model, info = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager",
                                                           trust_remote_code=False, output_loading_info=True)
        lacking = sorted(info["missing_keys"]) + sorted(str(key) for key in info["mismatched_keys"])
        if lacking:
            return {"refused": f"draws {len(lacking)} tensors at random, {lacking[0]} first"}
        model.eval()
        with torch.no_grad():
            logits = model(torch.tensor([ids[:TOKENS]]), return_dict=True).logits.float()[0]
            found = {"ids": ids[:TOKENS], "logits": packed(logits), "perplexity": perplexity(model, ids)}
        return found if torch.isfinite(logits).all() else {"refused": "gives logits that are not numbers"}
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]}
    finally:
        signal.alarm(0)


def call(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, errors="replace")
    return done.returncode, done.stdout, done.stderr


def ours(dress, directory, scratch):
    text, out = scratch / "text.txt", scratch / "logits.safetensors"
    text.write_text(oddities.TEXT, encoding="utf-8")
    code, _, said = call(dress, "logits", "--model", directory, "--data", text, "--tokens", TOKENS, "--max-new-tokens", 1, "--out", out,
                         "--force", "--device", "cpu")
    if code:
        return {"refused": " ".join(said.split())[-1500:], "code": code}
    tensors = load_file(out)
    found = {"ids": tensors["input_ids"][0].tolist(), "logits": packed(tensors["logits"].reshape(len(tensors["input_ids"][0]), -1)),
             "said": " ".join(said.split())[-600:]}
    code, printed, said = call(dress, "eval", "--model", directory, "--data", text, "--seqlen", SEQLEN, "--max-blocks", BLOCKS,
                               "--device", "cpu", "--json")
    found |= {"eval_refused": " ".join(said.split())[-600:]} if code else {"perplexity": json.loads(printed)["perplexity"]}
    return found


def rotated(dress, directory, scratch):
    """What stock reads of the checkpoint that `dress rotate` makes of this one."""
    text, out = scratch / "text.txt", scratch / "rotated"
    text.write_text(oddities.TEXT, encoding="utf-8")
    code, _, said = call(dress, "rotate", "--model", directory, "--calibration", text, "--samples", 2, "--seqlen", SEQLEN, "--basis", "pca",
                         "--stream", "--device", "cpu", "--out", out)
    return {"refused": f"`rotate` refuses: {' '.join(said.split())[-300:]}"} if code else stock(out)


def distance(expected, found):
    expected, found = (torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.float32).double() for text in (expected, found))
    if expected.shape != found.shape:
        return math.inf
    return ((found - expected).norm() / (expected.norm().item() or 1.0)).item()


def judge(case, theirs, mine, plain):
    """The class, and what differs in words; `plain` is what stock makes of the checkpoint that it means."""
    if "refused" in mine:
        why = mine["refused"]
        if mine["code"] != 1 or "panicked" in why:
            return "different", f"ends with {mine['code']}: {why[-200:]}"
        if "refused" in theirs:
            return "both refuse", ""
        if case.says and case.says.lower() not in why.lower():
            return "different", f"stock reads it; our refusal does not say '{case.says}': {why[:300]}"
        return ("different", f"stock reads it and it is common; we refuse: {why[:300]}") if case.common else ("we refuse with a cause", why)
    if "refused" in theirs:
        apart = differs(plain, mine)
        why = f"stock refuses it ({theirs['refused'][:200]})"
        return ("different", f"{why}; we read it as other than {case.means or 'the plain one'}: {apart}") if apart else ("we alone read it", why)
    apart = differs(theirs, mine)
    return ("different", apart) if apart else ("equal", "")


def differs(theirs, mine, limit=LIMIT):
    if mine["ids"] != theirs["ids"]:
        at = next((i for i, (a, b) in enumerate(zip(mine["ids"], theirs["ids"])) if a != b), min(len(mine["ids"]), len(theirs["ids"])))
        return f"ids from {at} on: stock {theirs['ids'][at:at + 6]}, we {mine['ids'][at:at + 6]}"
    apart = distance(theirs["logits"], mine["logits"])
    if not apart < limit:
        return f"logits are {apart:.1e} apart; perplexity: stock {theirs['perplexity']}, we {mine.get('perplexity')}"
    if theirs["perplexity"] is not None and "perplexity" not in mine:
        return f"`eval` alone refuses: {mine['eval_refused'][:200]}"
    if theirs["perplexity"] is not None and not abs(mine["perplexity"] / theirs["perplexity"] - 1) < 10 * limit:
        return f"perplexity: stock {theirs['perplexity']}, we {mine['perplexity']}, at equal logits"
    return None


def digest(directory):
    found = hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(directory)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return found.hexdigest()


class Kept:
    """What either side gave before, one JSON object a line."""

    def __init__(self, path):
        self.path, self.found = path, {}
        if path and path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                self.found[entry["key"]] = entry["value"]

    def get(self, key, make):
        if key not in self.found:
            self.found[key] = make()
            if self.path:
                with open(self.path, "a") as file:
                    file.write(json.dumps({"key": key, "value": self.found[key]}) + "\n")
        return self.found[key]


@functools.cache
def meaning(family, means):
    """What stock makes of the family's checkpoint without an oddity, or of the case that this one means."""
    acts = next((case.acts for case in oddities.CASES if case.name == means), [])
    with tempfile.TemporaryDirectory() as place:
        directory = pathlib.Path(place) / "c"
        checkpoint = oddities.Checkpoint(family, "plain")
        for act in acts:
            act(checkpoint)
        checkpoint.write(directory)
        return stock(directory)


def compare(case, dress, binary, kept, scratch, keep, rotate):
    # No family's name is in the directory's: transformers guesses a model type from it.
    with tempfile.TemporaryDirectory(prefix="case-", dir=scratch) as place:
        directory = (keep / case.name if keep else pathlib.Path(place)) / "c"
        checkpoint = oddities.Checkpoint(case.family, case.name)
        for act in case.acts:
            act(checkpoint)
        checkpoint.write(directory)
        files = digest(directory)
        theirs = kept.get(f"stock {transformers.__version__} {files}", lambda: stock(directory))
        mine = kept.get(f"dress {binary} {files}", lambda: ours(dress, directory, pathlib.Path(place)))
        found, why = judge(case, theirs, mine, meaning(case.family, case.means))
        if found == "equal" and rotate:
            again = kept.get(f"rotated {binary} {files}", lambda: rotated(dress, directory, pathlib.Path(place)))
            if again.get("refused", "").startswith("`rotate` refuses"):
                return found, why
            rounded = case.kind == "type" or "bf16" in case.name
            apart = again.get("refused") or differs(theirs, again, ROUNDED_LIMIT if rounded else ROTATED_LIMIT)
            return ("different", f"rotated: {apart}") if apart else (found, why)
    return found, why


def chosen(args):
    cases = [case for case in oddities.CASES if all(word in case.name for word in args.only)]
    part, parts = map(int, args.part.split("/"))
    return cases[part - 1::parts]


def table(counts):
    kinds = sorted({kind for kind, _ in counts})
    yield "| kind | " + " | ".join(CLASSES) + " |"
    yield "|---" * (len(CLASSES) + 1) + "|"
    for kind in kinds:
        yield f"| {kind} | " + " | ".join(str(counts[kind, found]) for found in CLASSES) + " |"
    yield "| all | " + " | ".join(str(sum(counts[kind, found] for kind in kinds)) for found in CLASSES) + " |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", default=os.environ.get("DRESS", "target/release/dress"))
    parser.add_argument("--only", nargs="*", default=[], help="words that a case's name has to have, as `phi tying`")
    parser.add_argument("--part", default="1/1", help="every N-th case from the I-th on, as 1/4")
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--rotate", action="store_true", help="rewrite what is equal by `dress rotate`, and compare that")
    parser.add_argument("--keep", type=pathlib.Path, help="a new directory that the checkpoints are left in")
    parser.add_argument("--markdown", type=pathlib.Path, help="write every case's class and figures there too")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    binary = hashlib.sha256(pathlib.Path(args.dress).read_bytes()).hexdigest()
    kept, counts, lines = Kept(args.results), collections.Counter(), []
    with tempfile.TemporaryDirectory(prefix="oddities-") as scratch:
        for case in chosen(args):
            found, why = compare(case, pathlib.Path(args.dress).absolute(), binary, kept, scratch, args.keep, args.rotate)
            counts[case.kind, found] += 1
            lines.append((found, case.name, " ".join(why.split()).replace("|", "\\|")))
            if found == "different":
                print(f"different: {case.name}\n    {why}\n", flush=True)
            elif len(lines) % 100 == 0:
                print(f"{len(lines)} read", flush=True)
    print("\n".join(table(counts)))
    if args.markdown:
        rows = [f"| {name} | {found} | {why} |" for found, name, why in sorted(lines)]
        args.markdown.write_text("\n".join(["| oddity | class | figures |", "|---|---|---|", *rows]) + "\n")
    print(f"\n{sum(counts.values())} oddities, transformers {transformers.__version__}")
    sys.exit(1 if any(found == "different" for found, _, _ in lines) else 0)


if __name__ == "__main__":
    main()
