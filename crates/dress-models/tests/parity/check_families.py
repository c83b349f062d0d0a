"""The small random models of `../fixtures`, sliced by `dress` on every axis, in stock transformers and llama.cpp: one line each.

Each fixture gets a tokenizer of single characters, is pruned without training, and is compared by `check_stock.py`
(logits to 1e-3 and greedy text, no weight missing or left over). Where llama.cpp has the architecture, the dense model and
the one without some neurons and heads are exported, and the greedy text is compared. Exits with 1 where one differs. A shape
that the target refuses is said to be refused.

usage: python check_families.py [--dress target/release/dress] [NAME...]
"""
import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import tokenizers
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
FAMILIES = ("mistral", "qwen2", "qwen3", "phi3", "smollm3", "granite", "olmo2", "gemma2", "gemma3", "gpt_neox")
AXES = {"residual": 0.25, "ffn": 0.25, "heads": 0.5, "depth": 0.34, "residual,heads": 0.5, "residual,ffn,heads": 0.5}
# As many tokens as their windows have.
IN_LLAMA_CPP = ("mistral_wide_heads", "mistral_tied_linear", "qwen2_tied", "qwen3_tied", "phi3_plain", "phi3_long_rope",
                "granite_tied", "granite_plain", "granite_biases", "olmo2_plain", "gpt_neox_parallel", "gpt_neox_sequential",
                "gpt_neox_no_biases")


def tokenizer(tokens):
    """Bytes that print, each a token, and one pair of them."""
    letters = ["\u0120"] + [chr(code) for code in range(33, 127)][: tokens - 3]
    texts = ["<|endoftext|>", *letters, "ab"]
    added = {"id": 0, "content": texts[0], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": True}
    bytes_alone = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "fuse_unk": False,
             "end_of_word_suffix": None, "byte_fallback": False, "ignore_merges": False,
             "vocab": {text: id for id, text in enumerate(texts)}, "merges": [["a", "b"]]}
    return {"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "added_tokens": [added],
            "pre_tokenizer": bytes_alone, "post_processor": None, "decoder": bytes_alone, "model": model}


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    try:
        return done.returncode, json.loads(lines[-1])
    except (IndexError, ValueError):
        return done.returncode or 1, {"error": done.stderr.strip().splitlines()[-1:]}


def copy_of(name, scratch):
    directory = scratch / "dense"
    shutil.copytree(FIXTURES / name, directory)
    config = json.loads((directory / "config.json").read_text())
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer(config["vocab_size"])))
    return directory


def greedy_is_llama_cpp_s(dress, directory, reference, scratch):
    import check_llama_cpp
    file = scratch / f"{directory.name}.gguf"
    code, said = run(dress, "export", "--model", directory, "--out", file, "--type", "f32", "--json")
    if code:
        return said
    tensors = load_file(reference)
    prompt, expected = tensors["prompt"][0].tolist(), tensors["greedy"][0].tolist()
    known = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    found = check_llama_cpp.greedy(file, prompt, len(expected) - len(prompt))
    return {"llama_cpp_equal": found == known.decode(expected[len(prompt):])}


def check(dress, name, axes, ratio, scratch):
    dense, out = scratch / "dense", scratch / axes.replace(",", "-")
    text, reference = scratch / "text.txt", scratch / f"{out.name}.safetensors"
    chosen = [word for axis in axes.split(",") for word in ("--axis", axis)]
    code, said = run(dress, "prune", "--model", dense, "--calibration", text, *chosen, "--ratio", ratio, "--target",
                     "transformers", "--no-regularize", "--samples", 4, "--seqlen", 24, "--out", out, "--json")
    if code:
        return said
    return compared(dress, name, out, text, reference, scratch, "depth" not in axes and "residual" not in axes)


def compared(dress, name, directory, text, reference, scratch, to_llama_cpp):
    code, said = run(dress, "logits", "--model", directory, "--data", text, "--tokens", 40, "--max-new-tokens", 20, "--out",
                     reference, "--json")
    if code:
        return said
    code, said = run(sys.executable, HERE / "check_stock.py", directory, "--reference", reference)
    said = {key: said.get(key) for key in ("max_abs_difference", "greedy_equal", "loading", "error")} | {"failed": bool(code)}
    if to_llama_cpp and name in IN_LLAMA_CPP:
        said |= greedy_is_llama_cpp_s(dress, directory, reference, scratch)
    return said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    names = args.names or [path.name for path in sorted(FIXTURES.iterdir()) if path.name.startswith(FAMILIES)]
    wrong = 0
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            scratch = pathlib.Path(place)
            dense = copy_of(name, scratch)
            draw = random.Random(name)
            (scratch / "text.txt").write_text("".join(chr(draw.randrange(33, 120)) for _ in range(4000)))
            found = {"dense": compared(args.dress, name, dense, scratch / "text.txt", scratch / "dense.safetensors", scratch, True)}
            found |= {axes: check(args.dress, name, axes, ratio, scratch) for axes, ratio in AXES.items()}
        for axes, said in found.items():
            wrong += bool(said.get("failed")) + (said.get("llama_cpp_equal") is False)
            print(json.dumps({"model": name, "without": axes, **said}), flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
