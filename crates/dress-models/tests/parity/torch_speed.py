"""How fast stock transformers runs a checkpoint on this machine's CPU: medians, as one JSON line.

usage: python torch_speed.py DIR [--seqlen 1024] [--repeats 5] [--train-seqlen 512] [--threads 2] [--only-train | --no-train]
"""
import argparse
import json
import resource
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
parser.add_argument("--only-train", action="store_true", help="the training step alone, with its memory")
parser.add_argument("--no-train", action="store_true", help="inference alone")
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


found = {}
if not args.only_train:
    with torch.no_grad():
        tokens = ids(args.seqlen)
        found["prefill_tokens_per_second"] = args.seqlen / median(lambda: model(tokens))
        found["last_tokens_per_second"] = args.seqlen / median(lambda: model(tokens, logits_to_keep=1))
        decode = (median(lambda: generate(33)) - median(lambda: generate(1))) / 32
        found["decode_tokens_per_second"] = 1 / decode


def step():
    optimizer.zero_grad()
    model(batch, labels=batch).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


if not args.no_train:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    batch = ids(args.train_seqlen)
    began, step_median = time.process_time(), median(step)
    found["train_tokens_per_second"] = args.train_seqlen / step_median
    found["train_cpu_s"] = (time.process_time() - began) / (args.repeats + 1)
found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({**found, "threads": args.threads, "torch": torch.__version__,
                  "transformers": transformers.__version__}))
