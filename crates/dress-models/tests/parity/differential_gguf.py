"""Generated oddities of GGUF metadata and layout, each read by llama.cpp (through `xllamacpp`) and by `dress`.

DIR is a small LLaMA checkpoint with a GPT-2 kind of tokenizer. Every oddity changes the GGUF file that is made of it; both sides continue
a prompt greedily, llama.cpp in a process of its own. What comes out is `equal`, `both refuse`, `we refuse with a cause` or `different`; exits
with 1 where one is different. What aborts llama.cpp is left out: unknown kinds of scaling, norms in F16, tokens that are there twice.

usage: python differential_gguf.py DIR [--dress target/release/dress] [--pre gpt-2] [--only WORD]
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf

import check_llama_cpp

PROMPT, NEW = "In the beginning", 12
CASES = {"plain": lambda w: None}


def put(key, value, kind):
    """Sets one key of the metadata, in the place of what is there."""
    def act(writer):
        writer.kv_data[0].pop(key, None)
        writer.add_key_value(key, value, kind)
    return act


def drop(key):
    return lambda writer: writer.kv_data[0].pop(key, None)


def several(*acts):
    return lambda writer: [act(writer) for act in acts]


T = gguf.GGUFValueType
FLOAT, INT, TEXT, BOOL = T.FLOAT32, T.UINT32, T.STRING, T.BOOL
for name, key in {"factor": "llama.rope.scaling.factor", "scale_linear": "llama.rope.scale_linear"}.items():
    for kind in (None, "linear", "none", "yarn"):
        for factor in (0.0, 0.5, 1.0, 2.0, 4.0):
            acts = [put(key, factor, FLOAT)] + ([put("llama.rope.scaling.type", kind, TEXT)] if kind else [])
            CASES[f"{name}-{factor}-{kind}"] = several(*acts)
for base in (1.0, 100.0, 10000.0, 500000.0):
    CASES[f"base-{base}"] = put("llama.rope.freq_base", base, FLOAT)
for base in (float("nan"), float("inf")):
    CASES[f"base-{base}"] = put("llama.rope.freq_base", base, FLOAT)
CASES |= {
    "base-missing": drop("llama.rope.freq_base"),
    "both-factors": several(put("llama.rope.scaling.factor", 2.0, FLOAT), put("llama.rope.scale_linear", 4.0, FLOAT)),
    "linear-no-factor": put("llama.rope.scaling.type", "linear", TEXT),
    "value-length-other": put("llama.attention.value_length", 8, INT),
    "key-length-other": put("llama.attention.key_length", 8, INT),
    "dimension-count-other": put("llama.rope.dimension_count", 8, INT),
    "key-length-missing": drop("llama.attention.key_length"),
    "value-length-missing": drop("llama.attention.value_length"),
    "dimension-count-missing": drop("llama.rope.dimension_count"),
    "experts": put("llama.expert_count", 4, INT),
    "experts-0": put("llama.expert_count", 0, INT),
    "blocks-fewer": put("llama.block_count", 0, INT),
    "blocks-more": put("llama.block_count", 99, INT),
    "context-1": put("llama.context_length", 64, INT),
    "adapter": put("general.type", "adapter", TEXT),
    "model": put("general.type", "model", TEXT),
    "eps-large": put("llama.attention.layer_norm_rms_epsilon", 0.1, FLOAT),
    "eps-missing": drop("llama.attention.layer_norm_rms_epsilon"),
    "heads-missing": drop("llama.attention.head_count"),
    "split-count": put("split.count", 2, T.UINT16),
    "other-architecture": put("general.architecture", "acme", TEXT),
    "add-bos": put("tokenizer.ggml.add_bos_token", True, BOOL),
}


def write(directory, path, pre, act):
    made = []

    class Writer(gguf.GGUFWriter):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            made.append(self)

        def write_header_to_file(self, *args, **options):
            act(self)
            super().write_header_to_file(*args, **options)

    plain, check_llama_cpp.gguf.GGUFWriter = gguf.GGUFWriter, Writer
    try:
        check_llama_cpp.write(directory, path, pre)
    finally:
        check_llama_cpp.gguf.GGUFWriter = plain


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=90, errors="replace")
    return done.returncode, done.stdout, done.stderr


def theirs(path):
    script = ("import sys, json, check_llama_cpp as c; print('TEXT' + json.dumps(c.greedy(sys.argv[1], sys.argv[2], int(sys.argv[3]))))")
    code, out, _ = run(sys.executable, "-c", script, path, PROMPT, NEW)
    found = [line for line in out.splitlines() if line.startswith("TEXT")]
    return json.loads(found[-1][4:]) if code == 0 and found else None


def ours(dress, path):
    code, out, said = run(dress, "generate", "--model", path, "--prompt", PROMPT, "--max-new-tokens", NEW, "--ignore-eos", "--device", "cpu")
    return (out, said, code)


def judge(expected, found):
    text, said, code = found
    if code:
        if code != 1 or "panicked" in said:
            return "different", f"ends with {code}: {said[-200:]}"
        return ("both refuse" if expected is None else "we refuse with a cause"), said.strip()[-200:]
    if expected is None:
        return "different", "llama.cpp refuses it, and we read it"
    return ("equal", "") if expected.strip() in text else ("different", f"llama.cpp {expected!r}, we {text!r}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("--pre", default="gpt-2")
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    counts, lines = collections.Counter(), []
    with tempfile.TemporaryDirectory() as work:
        for name, act in CASES.items():
            if args.only not in name:
                continue
            path = pathlib.Path(work) / f"{name}.gguf"
            write(args.directory, path, args.pre, act)
            found, why = judge(theirs(path), ours(pathlib.Path(args.dress).absolute(), path))
            counts[found] += 1
            lines += [f"different: {name}\n    {why}"] if found == "different" else []
            path.unlink()
    print("\n".join([f"{found}: {count}" for found, count in sorted(counts.items())] + lines))
    print(f"{sum(counts.values())} files")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
