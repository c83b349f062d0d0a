"""Runs a GGUF file that `dress export` wrote in llama.cpp (through `xllamacpp`) and compares it with its directory.

Two things are compared: the ids of varied texts (those of `compare_pre.py`, special tokens added) with those of the
directory's `tokenizer.json`, and, where `dress logits` wrote FILE, the greedy text behind its prompt. Prints one JSON line
and exits with 1 where the ids or the text differ.

usage: python check_export.py DIR MODEL.gguf [--reference FILE]
"""
import argparse
import importlib.metadata
import json
import pathlib
import subprocess
import sys

import tokenizers
from safetensors.numpy import load_file

import check_llama_cpp
import compare_pre


def ids_that_differ(directory, path):
    done = subprocess.run([sys.executable, compare_pre.__file__, "--ids", path], capture_output=True, text=True, timeout=600)
    lines = [line for line in done.stdout.splitlines() if line.startswith("IDS")]
    if not lines:
        sys.exit(f"llama.cpp does not read {path}: {done.stderr[-500:]}")
    tokenizer, texts = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json")), compare_pre.texts()
    return len(texts), [text for text, ids in zip(texts, json.loads(lines[0][3:])) if tokenizer.encode(text).ids != ids]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("--reference")
    args = parser.parse_args()
    texts, apart = ids_that_differ(args.directory, args.gguf)
    said = {"gguf": str(args.gguf), "texts": texts, "texts_with_other_ids": len(apart), "first": apart[:3]}
    equal = True
    if args.reference:
        reference = load_file(args.reference)
        prompt, expected = reference["prompt"][0].tolist(), reference["greedy"][0].tolist()
        tokenizer = tokenizers.Tokenizer.from_file(str(args.directory / "tokenizer.json"))
        found = check_llama_cpp.greedy(args.gguf, prompt, len(expected) - len(prompt))
        expected = tokenizer.decode(expected[len(prompt):])
        equal = found == expected
        said |= {"greedy_equal": equal, "found": found, **({} if equal else {"expected": expected})}
    print(json.dumps(said | {"xllamacpp": importlib.metadata.version("xllamacpp")}))
    sys.exit(not equal or bool(apart))


if __name__ == "__main__":
    main()
