"""How fast stock transformers runs a checkpoint on this machine's CPU: medians, as one JSON line.

usage: python torch_speed.py DIR [--seqlen 1024] [--repeats 5] [--train-seqlen 512] [--threads 2]
"""
import argparse
import json
import statistics
import time

import torch
import transformers
from transformers import AutoModelForCausalLM

parser = argparse.ArgumentParser()
parser.add_argument("directory")
parser.add_argument("--seqlen", type=int, default=1024)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--train-seqlen", type=int, default=512)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(args.directory, dtype=torch.float32).eval()


def median(act):
    act()
    seconds = []
    for _ in range(args.repeats):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def ids(length):
    return torch.randint(0, model.config.vocab_size, (1, length))


def generate(length):
    prompt = ids(64)
    model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=length,
                   min_new_tokens=length, pad_token_id=0)


with torch.no_grad():
    tokens = ids(args.seqlen)
    prefill = median(lambda: model(tokens))
    decode = (median(lambda: generate(33)) - median(lambda: generate(1))) / 32
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
batch = ids(args.train_seqlen)


def step():
    optimizer.zero_grad()
    model(batch, labels=batch).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


print(json.dumps({"prefill_tokens_per_second": args.seqlen / prefill, "decode_tokens_per_second": 1 / decode,
                  "train_tokens_per_second": args.train_seqlen / median(step), "threads": args.threads,
                  "torch": torch.__version__, "transformers": transformers.__version__}))
