"""LLaMA-3-8B's shapes with random weights on one card, here and in PyTorch, one after the other: prefill, decode and a training
step, dense and narrower, as one JSON line and a Markdown table of ratios.

Needs `pip install torch transformers` and `cargo build --release -p dress-benches --bin device_speed --features cuda`.
PyTorch has its fused attention, the last logits alone, a fused AdamW on weights of the same type and no compilation; a step
here is a regularization step, with f32 copies of the weights, a proximal step and a loss that never has all logits.

usage: python device_against_torch.py [--binary target/release/device_speed] [--layers 32] [--step-layers 8]
                                      [--percents 0,25,50] [--seqlen 2048] [--rounds 5] [--steps 5] [--checkpointing none]
                                      [--device cuda] [--dtype bf16] [--out FILE]
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

import torch
import transformers

parser = argparse.ArgumentParser()
parser.add_argument("--binary", default="target/release/device_speed")
parser.add_argument("--layers", type=int, default=32)
parser.add_argument("--step-layers", type=int, default=8)
parser.add_argument("--percents", default="0,25,50")
parser.add_argument("--seqlen", type=int, default=2048)
parser.add_argument("--new-tokens", type=int, default=32)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--checkpointing", default="none", choices=["none", "layers"])
parser.add_argument("--device", default="cuda")
parser.add_argument("--dtype", default="bf16", choices=["bf16", "f16", "f32"])
parser.add_argument("--out")
args = parser.parse_args()
dtype = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}[args.dtype]
device = torch.device(args.device)
cuda = device.type == "cuda"


def wait():
    if cuda:
        torch.cuda.synchronize()


def seconds(act, rounds, warmup=2):
    found = []
    for round in range(warmup + rounds):
        wait()
        began = time.perf_counter()
        act()
        wait()
        if round >= warmup:
            found.append(time.perf_counter() - began)
    return found


def peak():
    return torch.cuda.max_memory_allocated() / 2**30 if cuda else None


def ceilings():
    random = lambda rows, columns: torch.rand(rows, columns, device=device, dtype=torch.float32).to(dtype)
    found = {}
    for name, (m, k, n) in {"product_8192_tflops": (8192,) * 3, "product_ffn_tflops": (args.seqlen, 4096, 14336)}.items():
        left, right = random(m, k), random(k, n)
        found[name] = 2 * m * k * n / min(seconds(lambda: left @ right, 10)) / 1e12
    numbers = random(1 << 15, 1 << 14)
    found["pass_gb_per_s"] = 2 * numbers.nbytes / min(seconds(lambda: numbers + 1.0, 10)) / 1e9
    return found


def build(layers, percent):
    config = transformers.LlamaConfig(
        vocab_size=128256, hidden_size=4096 - 4096 * percent // 100, intermediate_size=14336, num_hidden_layers=layers,
        num_attention_heads=32, num_key_value_heads=8, head_dim=128, rope_theta=500000.0, rms_norm_eps=1e-5,
        max_position_embeddings=8192, tie_word_embeddings=False)
    torch.set_default_dtype(dtype)
    with device:
        model = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    return model


def ids(length):
    return torch.randint(0, 128256, (1, length), device=device)


@torch.no_grad()
def read(percent):
    model, tokens = build(args.layers, percent).eval(), ids(args.seqlen)
    prefill = statistics.median(seconds(lambda: model(tokens, logits_to_keep=1).logits.argmax(-1).tolist(), args.rounds))
    decode = []
    for round in range(2):
        found = model(ids(64), use_cache=True, logits_to_keep=1)
        for _ in range(args.new_tokens - 1):
            began = time.perf_counter()
            found = model(found.logits.argmax(-1), past_key_values=found.past_key_values, use_cache=True)
            found.logits.argmax(-1).tolist()
            if round:
                decode.append(time.perf_counter() - began)
    return {"prefill_ms": 1e3 * prefill, "decode_ms": 1e3 * statistics.median(decode)}


def train(percent):
    model, batch = build(args.step_layers, percent).train(), ids(args.seqlen)
    if args.checkpointing == "layers":
        model.gradient_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=cuda)

    def step():
        optimizer.zero_grad()
        model(batch, labels=batch, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    if cuda:
        torch.cuda.reset_peak_memory_stats()
    found = seconds(step, args.steps)
    return {"median_s": statistics.median(found), "least_s": min(found), "peak_gib": peak()}


here = subprocess.run([args.binary, "--device", args.device, "--dtype", args.dtype, "--layers", str(args.layers),
                       "--step-layers", str(args.step_layers), "--percents", args.percents, "--seqlen", str(args.seqlen),
                       "--new-tokens", str(args.new_tokens), "--rounds", str(args.rounds), "--steps", str(args.steps),
                       "--checkpointing", args.checkpointing], stdout=subprocess.PIPE, text=True)
here = json.loads(here.stdout.strip().splitlines()[-1]) if here.returncode == 0 else {"rows": [], "failed": here.returncode}
print(json.dumps(here), flush=True)
there = {"ceilings": ceilings(), "rows": [], "torch": torch.__version__, "transformers": transformers.__version__,
         "card": torch.cuda.get_device_name() if cuda else "cpu"}
for percent in map(int, args.percents.split(",")):
    row = {"percent": percent}
    if args.rounds:
        row |= read(percent)
    if args.steps:
        row["step"] = train(percent)
    if cuda:
        torch.cuda.empty_cache()
    there["rows"].append(row)
    print(json.dumps(row), file=sys.stderr, flush=True)
print(json.dumps(there), flush=True)
if args.out:
    with open(args.out, "w") as file:
        json.dump({"here": here, "torch": there}, file)
print(f"| width removed | {'prefill, ms | PyTorch | ratio | decode, ms | PyTorch | ratio |' if args.rounds else ''}"
      f"{' step, s | PyTorch | ratio |' if args.steps else ''}")
for ours, theirs in zip(here["rows"], there["rows"]):
    line = f"| {ours['percent']}% |"
    pairs = [(ours, theirs, name) for name in ("prefill_ms", "decode_ms") if args.rounds]
    pairs += [(ours["step"], theirs["step"], "median_s")] if args.steps else []
    for mine, other, name in pairs:
        line += f" {mine[name]:.3g} | {other[name]:.3g} | {other[name] / mine[name]:.2f} |"
    print(line)
sys.exit("failed" in here)
