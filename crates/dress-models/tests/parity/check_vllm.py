"""Random models of several families, dense and sliced by `dress`, in vLLM on a CPU: is the greedy text that of `dress`?

Heads are 64 wide, which vLLM's kernels for CPUs take, and windows are shorter than the text. vLLM has an environment of its
own, whose Python is given. Prints one JSON line a checkpoint and exits with 1 where a text differs or does not come out.
Run it with PyTorch, transformers and tokenizers installed.

usage: python check_vllm.py --dress target/release/dress --vllm ENVIRONMENT/bin/python [NAME...]
"""
import argparse
import json
import pathlib
import random
import sys
import tempfile

import torch
from safetensors.numpy import load_file
from transformers import AutoConfig, AutoModelForCausalLM

import make_fixtures
from check_families import run, tokenizer

HERE = pathlib.Path(__file__).parent
ENGINES = HERE.parents[2] / "dress-engines" / "tests" / "parity"
SHAPE = dict(vocab_size=96, hidden_size=256, intermediate_size=384, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, head_dim=64, max_position_embeddings=256)
FAMILIES = {
    "mistral": dict(make_fixtures.MISTRAL, **SHAPE, sliding_window=32),
    "qwen2": {key: value for key, value in dict(make_fixtures.QWEN2, **SHAPE).items() if key != "head_dim"},
    "qwen3": dict(make_fixtures.QWEN3, **SHAPE | dict(head_dim=64)),
    "phi3": dict(make_fixtures.PHI3, **SHAPE, original_max_position_embeddings=256),
    "gemma3_text": dict(make_fixtures.GEMMA3, **SHAPE, sliding_window=32),
}
# Neurons, heads, the width and both with layers; a family refuses what its configuration cannot say.
SLICED = {"ffn": "0.25", "heads": "0.5", "residual": "0.25", "residual,ffn,heads": "0.5", "depth": "0.34"}
NEW = 24


def dense(config, place):
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config)).float().eval()
    make_fixtures.randomize(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(0.25)
    model.save_pretrained(place)
    (place / "tokenizer.json").write_text(json.dumps(tokenizer(config["vocab_size"])))
    (place / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))


def sliced(dress, place, axes, ratio, text):
    out = place.parent / f"{place.name}-{axes.replace(',', '-')}"
    chosen = [word for axis in axes.split(",") for word in ("--axis", axis)]
    code, said = run(dress, "prune", "--model", place, "--calibration", text, *chosen, "--ratio", ratio, "--target",
                     "all", "--no-regularize", "--samples", 4, "--seqlen", 24, "--out", out, "--json")
    return out, said.get("error") if code else None


def job(dress, name, directory, text):
    reference = directory.parent / f"{name}.safetensors"
    code, said = run(dress, "logits", "--model", directory, "--data", text, "--tokens", 48, "--max-new-tokens", NEW, "--out",
                     reference, "--json")
    if code:
        sys.exit(f"{name}: {said}")
    tensors = load_file(reference)
    prompt, greedy = tensors["prompt"][0].tolist(), tensors["greedy"][0].tolist()
    return {"case": name, "directory": str(directory), "new": NEW, "prompt": prompt, "greedy": greedy[len(prompt):]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("--vllm", required=True)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    sys.path.insert(0, str(ENGINES))
    from run_engines import results
    wrong, jobs = 0, []
    with tempfile.TemporaryDirectory() as scratch:
        text = pathlib.Path(scratch) / "text.txt"
        draw = random.Random(1)
        text.write_text("".join(chr(draw.randrange(33, 120)) for _ in range(4000)))
        for name in args.names or FAMILIES:
            place = pathlib.Path(scratch) / name
            dense(FAMILIES[name], place)
            jobs.append(job(args.dress, f"{name}, dense", place, text))
            for axes, ratio in SLICED.items():
                directory, refused = sliced(args.dress, place, axes, ratio, text)
                if refused:
                    print(json.dumps({"case": f"{name}, without {axes}", "refused": refused}), flush=True)
                else:
                    jobs.append(job(args.dress, f"{name}, without {axes}", directory, text))
        found, versions = results(args.vllm, "vllm", jobs)
    print(json.dumps(versions))
    for asked in jobs:
        said = found[asked["case"]]
        equal = said.get("ids") == asked["greedy"]
        wrong += not equal
        print(json.dumps({"case": asked["case"], "equal": equal, "error": said.get("error")}), flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
