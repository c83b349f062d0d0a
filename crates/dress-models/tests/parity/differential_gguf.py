"""Generated oddities of GGUF files, each read by llama.cpp (through `xllamacpp`) and by `dress`.

Every oddity in `gguf_oddities/` is written as a tiny random LLaMA or Phi-2 with a byte-level or a SentencePiece vocabulary. llama.cpp, in a
process of its own and with caches of f32, tokenizes a text and gives the log-probabilities behind its last token; `dress logits` gives its
own. What comes out is one of

    equal                    the same ids, and log-probabilities within 1e-3, or a few hundredths where matrices are rounded
    both refuse              neither reads it
    we refuse with a cause   llama.cpp reads it; our error names the file and has the oddity's word
    different                anything else: other numbers, a refusal without a cause, a panic, a file that llama.cpp refuses and we read,
                             or a refusal of what is to be read

What ends llama.cpp by a signal is no oddity to keep: it is printed, counts as different, and is to be taken out.

usage: python differential_gguf.py [--dress target/release/dress] [--only WORD ...] [--all] [--keep DIR]
"""
import argparse
import collections
import contextlib
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import numpy as np

import gguf_oddities

# A token of whole characters in either vocabulary.
PLAIN = 259
CLASSES = ("equal", "both refuse", "we refuse with a cause", "different")


def llama_cpp(path, text):
    """Run in a process of its own: the text's ids and the log-probability of every next token."""
    import xllamacpp
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.warmup, params.cpuparams.n_threads = path, 128, False, 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.sampling.temp = 0.0
    server = xllamacpp.Server(params)
    body = json.dumps({"content": text, "add_special": True, "parse_special": True}).encode()
    asked = urllib.request.Request(server.listening_address + "/tokenize", data=body, headers={"Content-Type": "application/json"})
    ids = json.loads(urllib.request.urlopen(asked).read())["tokens"]
    # No log-probabilities come with the end of a text or with a part of a character, so that a token that is neither is made to be drawn;
    # they are those before that.
    answer = server.handle_completions({"prompt": ids, "n_predict": 1, "temperature": 0.0, "n_probs": 2048, "ignore_eos": True,
                                        "logit_bias": [[PLAIN, 1000.0]], "cache_prompt": False})
    answer = json.loads(answer) if isinstance(answer, str) else answer
    found = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return {"ids": ids, "logprobs": {one["id"]: one["logprob"] for one in found}}


def theirs(path, text):
    done = subprocess.run([sys.executable, __file__, "--read", str(path), text], capture_output=True, text=True, timeout=90, errors="replace")
    if done.returncode < 0:
        return {"ended": -done.returncode}
    lines = [line for line in done.stdout.splitlines() if line.startswith("READ")]
    return json.loads(lines[-1][4:]) if done.returncode == 0 and lines else None


def ours(dress, path, text, count, scratch):
    data, out = scratch / "text.txt", scratch / "logits.safetensors"
    data.write_text(text, encoding="utf-8")
    done = subprocess.run([str(word) for word in (dress, "logits", "--model", path, "--data", data, "--tokens", count, "--max-new-tokens", 1, "--out", out,
                                                  "--force", "--device", "cpu")], capture_output=True, text=True, timeout=90, errors="replace")
    if done.returncode:
        return {"refused": " ".join(done.stderr.split()), "code": done.returncode}
    from safetensors.numpy import load_file
    found = load_file(out)
    logits = found["logits"][0, -1].astype(np.float64)
    return {"ids": found["input_ids"][0].tolist(), "logprobs": logits - logits.max() - math.log(np.exp(logits - logits.max()).sum())}


def judge(case, path, expected, mine):
    if expected and "ended" in expected:
        return "different", f"llama.cpp is ended by signal {expected['ended']}: take this case out"
    if "refused" in mine:
        why = mine["refused"]
        if mine["code"] != 1 or "panicked" in why:
            return "different", f"ends with {mine['code']}: {why[-300:]}"
        if expected is None:
            return "both refuse", why
        if case.read:
            return "different", f"it is to be read, and we refuse: {why[:300]}"
        if path.parent.name not in why or case.says and case.says.lower() not in why.lower():
            return "different", f"our refusal does not name the file and '{case.says}': {why[:300]}"
        return "we refuse with a cause", why
    if expected is None:
        return "different", "llama.cpp refuses it, and we read it"
    if expected["ids"] != mine["ids"]:
        at = next((i for i, (a, b) in enumerate(zip(expected["ids"], mine["ids"])) if a != b), min(len(expected["ids"]), len(mine["ids"])))
        return "different", f"ids from {at} on: llama.cpp {expected['ids'][at:at + 8]}, we {mine['ids'][at:at + 8]}"
    chosen = [int(id) for id in expected["logprobs"]]
    told, found = np.array(list(expected["logprobs"].values())), mine["logprobs"][chosen]
    apart = np.linalg.norm(told - found) / np.linalg.norm(told)
    return ("equal", f"{apart:.1e}") if apart < case.limit else ("different", f"log-probabilities are {apart:.1e} apart")


def compare(case, dress, directory):
    file = gguf_oddities.File(case.family, case.vocabulary)
    case.act(file)
    path = file.write(directory)
    expected = theirs(path, case.text)
    # The count of tokens is llama.cpp's, so that one more or less shows as another id or as a text that is too short.
    count = len(expected["ids"]) if expected and "ids" in expected else 8
    with tempfile.TemporaryDirectory() as scratch:
        found, why = judge(case, path, expected, ours(dress, path, case.text, count, pathlib.Path(scratch)))
    return found, " ".join(why.replace(str(directory), "DIR").split())


@contextlib.contextmanager
def place(keep, name):
    if keep:
        (keep / name).mkdir(parents=True, exist_ok=True)
        yield keep / name
    else:
        with tempfile.TemporaryDirectory() as directory:
            yield pathlib.Path(directory)


def main():
    if sys.argv[1:2] == ["--read"]:
        print("\nREAD" + json.dumps(llama_cpp(*sys.argv[2:4])), flush=True)
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("--only", nargs="*", default=[], help="words that a case's name has to have")
    parser.add_argument("--keep", type=pathlib.Path, help="a new directory that the files are left in")
    parser.add_argument("--all", action="store_true", help="print every case, with its figure or its refusal")
    args = parser.parse_args()
    counts = collections.Counter()
    for case in gguf_oddities.CASES:
        if not all(word in case.name for word in args.only):
            continue
        with place(args.keep, case.name) as directory:
            found, why = compare(case, pathlib.Path(args.dress).absolute(), directory)
        counts[found] += 1
        if found == "different" or args.all:
            print(f"{found}: {case.name}\n    {why}", flush=True)
        elif counts.total() % 50 == 0:
            print(f"{counts.total()} read", flush=True)
    print("\n".join(f"{name}: {counts[name]}" for name in CLASSES))
    print(f"{counts.total()} files")
    sys.exit(counts["different"] > 0)


if __name__ == "__main__":
    main()
