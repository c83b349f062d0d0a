"""Loads a checkpoint with stock transformers and compares it with what the Rust side computed.

FILE holds `input_ids` [batch, seq] and `logits` [batch, seq, vocab], and may hold `prompt` and `greedy`.
`dress logits` writes it. Prints one JSON line; exits with 1 over the tolerance, on other greedy text, and
where a weight is missing or left over.

usage: python check_stock.py DIR [--reference FILE] [--tolerance 1e-3]
"""
import argparse
import json
import sys

import safetensors
import torch
import transformers
from transformers import AutoModelForCausalLM


def compare(directory, reference=None, tolerance=1e-3):
    """What is found, and whether it is as it should be."""
    model, info = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, trust_remote_code=False, output_loading_info=True)
    model.eval()
    wrong = [key for key in info if info[key]]
    report = {"directory": str(directory), "hidden_size": model.config.hidden_size,
              "parameters": sum(p.numel() for p in model.parameters()), "loading": wrong,
              "versions": {"torch": torch.__version__, "transformers": transformers.__version__}}
    good = not wrong
    if reference:
        with safetensors.safe_open(reference, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        with torch.no_grad():
            logits = model(tensors["input_ids"].long()).logits
            report["max_abs_difference"] = (logits - tensors["logits"]).abs().max().item()
            good &= report["max_abs_difference"] <= tolerance
            if "greedy" in tensors:
                prompt, greedy = tensors["prompt"].long(), tensors["greedy"].long()
                found = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                                       max_new_tokens=greedy.shape[1] - prompt.shape[1], eos_token_id=None,
                                       pad_token_id=0)
                report["greedy_equal"] = bool((found == greedy).all())
                good &= report["greedy_equal"]
    return report, good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--reference")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    args = parser.parse_args()
    report, good = compare(args.directory, args.reference, args.tolerance)
    print(json.dumps(report))
    sys.exit(not good)


if __name__ == "__main__":
    main()
