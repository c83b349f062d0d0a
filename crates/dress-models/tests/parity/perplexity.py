"""Perplexity of a checkpoint with stock transformers: the whole file tokenized once, non-overlapping blocks,
the mean over blocks, then exp. Prints one JSON line.

usage: python perplexity.py DIR --data FILE [--seqlen 1024] [--max-blocks 16]
"""
import argparse
import json
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

parser = argparse.ArgumentParser()
parser.add_argument("directory")
parser.add_argument("--data", required=True)
parser.add_argument("--seqlen", type=int, default=1024)
parser.add_argument("--max-blocks", type=int)
args = parser.parse_args()

model = AutoModelForCausalLM.from_pretrained(args.directory, dtype=torch.float32).eval()
text = open(args.data, encoding="utf-8").read()
ids = torch.tensor(AutoTokenizer.from_pretrained(args.directory)(text)["input_ids"])
blocks = ids[: len(ids) // args.seqlen * args.seqlen].view(-1, args.seqlen)[: args.max_blocks]
began, losses = time.time(), []
with torch.no_grad():
    for block in blocks:
        logits = model(block[None]).logits[0, :-1].float()
        losses.append(torch.nn.functional.cross_entropy(logits, block[1:]).item())
seconds = time.time() - began
perplexity = torch.tensor(losses, dtype=torch.float64).mean().exp().item()
print(json.dumps({"perplexity": perplexity, "tokens": blocks.numel(),
                  "tokens_per_second": blocks.numel() / seconds, "torch": torch.__version__}))
