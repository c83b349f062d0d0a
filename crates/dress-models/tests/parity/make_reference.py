"""Writes what stock transformers computes of a checkpoint, for the Rust tests to compare with.

OUT gets `input_ids` [1, N], the first N tokens of TEXT, `logits` of a float32 forward pass on the CPU,
`prompt`, the first 8 of them, and `greedy`, their greedy continuation by 32 tokens.

usage: python make_reference.py DIR OUT --text FILE [--tokens 64]
"""
import argparse

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("directory")
parser.add_argument("out")
parser.add_argument("--text", required=True)
parser.add_argument("--tokens", type=int, default=64)
args = parser.parse_args()

model = AutoModelForCausalLM.from_pretrained(args.directory, dtype=torch.float32).eval()
text = open(args.text, encoding="utf-8").read()
ids = torch.tensor([AutoTokenizer.from_pretrained(args.directory)(text)["input_ids"][: args.tokens]])
prompt = ids[:, :8].clone()
with torch.no_grad():
    logits = model(ids).logits.float().contiguous()
    greedy = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=32,
                            eos_token_id=None, pad_token_id=0)
save_file({"input_ids": ids, "logits": logits, "prompt": prompt, "greedy": greedy.contiguous()}, args.out)
