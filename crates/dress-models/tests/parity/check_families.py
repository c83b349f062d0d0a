"""The small random models of `../fixtures`, sliced by `dress` on every axis, in stock transformers and llama.cpp: one line each.

Each model gets a tokenizer of single characters, is pruned without training, and is compared by `check_stock.py`
(logits to 1e-3 and greedy text, no weight missing or left over). The models of `IN_LLAMA_CPP` are exported as well, dense and
without every axis, and llama.cpp's greedy text is compared; a shape that the export refuses is said with its reason. The
dense models of `FROM_GGUF` are also written by llama.cpp's own package (`write_gguf.py`), and what `dress` computes of that
file is compared with what it computes of the directory. Exits with 1 where one differs. A shape that the target refuses is
said to be refused. Two models are made on the fly (`MADE`), of as many layers as llama.cpp's pattern of them takes.

usage: python check_families.py [--dress target/release/dress] [NAME...]
"""
import argparse
import contextlib
import json
import multiprocessing
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import tokenizers
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
FAMILIES = ("mistral", "qwen2", "qwen3", "phi3", "smollm3", "granite", "olmo2", "gemma2", "gemma3", "gpt_neox")
# By the family's constants in make_fixtures.py, what is otherwise.
MADE = {"gemma3_pattern_6": ("GEMMA3", dict(sliding_window_pattern=6, num_hidden_layers=7)),
        "smollm3_interval_4": ("SMOLLM3", dict(no_rope_layer_interval=4, num_hidden_layers=5))}
AXES = {"residual": 0.25, "ffn": 0.25, "heads": 0.5, "depth": 0.34, "residual,heads": 0.5, "residual,ffn,heads": 0.5,
        "residual,ffn,heads,depth": 0.5}
# As many tokens as their windows have, but for Gemma's, which llama.cpp has.
IN_LLAMA_CPP = ("mistral_wide_heads", "mistral_tied_linear", "qwen2_tied", "qwen3_tied", "phi3_plain", "phi3_long_rope",
                "granite_tied", "granite_plain", "granite_biases", "olmo2_plain", "gemma2_tied", "gpt_neox_parallel",
                "gpt_neox_sequential", "gpt_neox_no_biases", *MADE)
FROM_GGUF = ("qwen2_tied", "qwen3_tied", "phi3_plain", "granite_tied", "granite_biases", "olmo2_plain", "gemma2_tied", *MADE)


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
    if name in MADE:
        import make_fixtures
        family, otherwise = MADE[name]
        with contextlib.redirect_stdout(sys.stderr):
            make_fixtures.make("dense", {**getattr(make_fixtures, family), **otherwise}, scratch)
    else:
        shutil.copytree(FIXTURES / name, directory)
    config = json.loads((directory / "config.json").read_text())
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer(config["vocab_size"])))
    return directory


def in_llama_cpp(dress, directory, reference, scratch):
    """What llama.cpp makes of the exported directory, in a process of its own, which it may end."""
    import check_llama_cpp
    file = scratch / f"{directory.name}.gguf"
    code, said = run(dress, "export", "--model", directory, "--out", file, "--type", "f32", "--json")
    if code:
        return f"refused: {said.get('error')}"
    tensors = load_file(reference)
    prompt, expected = tensors["prompt"][0].tolist(), tensors["greedy"][0].tolist()
    known = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            found = pool.submit(check_llama_cpp.greedy, file, prompt, len(expected) - len(prompt)).result()
        except (BrokenProcessPool, RuntimeError, ValueError) as error:
            return f"stopped: {error}"
    return "equal" if found == known.decode(expected[len(prompt):]) else "differs"


def from_gguf(dress, directory, text, reference, scratch):
    """How far what `dress` computes of a file that llama.cpp's package wrote is from what it computes of the directory."""
    import write_gguf
    file, out = scratch / "foreign.gguf", scratch / "foreign.safetensors"
    write_gguf.write(directory, file)
    code, said = run(dress, "logits", "--model", file, "--data", text, "--tokens", 40, "--max-new-tokens", 20, "--out", out,
                     "--json")
    if code:
        return said | {"failed": True}
    found, expected = load_file(out), load_file(reference)
    apart = float(abs(found["logits"] - expected["logits"]).max())
    same = all((found[key] == expected[key]).all() for key in ("input_ids", "greedy"))
    return {"max_abs_difference": apart, "greedy_equal": bool(same), "failed": apart > 1e-3 or not same}


def check(dress, name, axes, ratio, scratch):
    dense, out = scratch / "dense", scratch / axes.replace(",", "-")
    text, reference = scratch / "text.txt", scratch / f"{out.name}.safetensors"
    chosen = [word for axis in axes.split(",") for word in ("--axis", axis)]
    code, said = run(dress, "prune", "--model", dense, "--calibration", text, *chosen, "--ratio", ratio, "--target",
                     "transformers", "--no-regularize", "--samples", 4, "--seqlen", 24, "--out", out, "--json")
    if code:
        return said
    return compared(dress, name, out, text, reference, scratch)


def compared(dress, name, directory, text, reference, scratch):
    code, said = run(dress, "logits", "--model", directory, "--data", text, "--tokens", 40, "--max-new-tokens", 20, "--out",
                     reference, "--json")
    if code:
        return said
    code, said = run(sys.executable, HERE / "check_stock.py", directory, "--reference", reference)
    said = {key: said.get(key) for key in ("max_abs_difference", "greedy_equal", "loading", "error")} | {"failed": bool(code)}
    if name in IN_LLAMA_CPP:
        said["llama_cpp"] = in_llama_cpp(dress, directory, reference, scratch)
    return said


def of_model(dress, name, scratch):
    dense, text, reference = copy_of(name, scratch), scratch / "text.txt", scratch / "dense.safetensors"
    draw = random.Random(name)
    text.write_text("".join(chr(draw.randrange(33, 120)) for _ in range(4000)))
    found = {"dense": compared(dress, name, dense, text, reference, scratch)}
    if name in FROM_GGUF:
        found["dense, from llama.cpp's GGUF"] = from_gguf(dress, dense, text, reference, scratch)
    return found | {axes: check(dress, name, axes, ratio, scratch) for axes, ratio in AXES.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    fixtures = [path.name for path in sorted(FIXTURES.iterdir()) if path.name.startswith(FAMILIES)]
    wrong = 0
    for name in args.names or [*fixtures, *MADE]:
        with tempfile.TemporaryDirectory() as place:
            found = of_model(args.dress, name, pathlib.Path(place))
        for axes, said in found.items():
            wrong += bool(said.get("failed")) + said.get("llama_cpp", "").startswith(("differs", "stopped"))
            print(json.dumps({"model": name, "without": axes, **said}), flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
