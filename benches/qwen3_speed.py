"""A model of Qwen3-0.6B's shape with random weights here and in transformers: prefill, decoding and a training step.

Needs `pip install torch transformers safetensors` and `cargo build --release -p dress-cli -p dress-train --bin dress --example
step_speed`. transformers makes the model, in float32 and from a fixed seed. Then the sides alternate, each a process of its own
that has the machine to itself: 1 x 512 tokens with the last logits, 32 tokens greedily after a prompt of 64, and a training step
(forward, backward, the gradients' norm, AdamW) on 1 x 256 tokens. A side's figure of a round is the median of its repeats. Ratios
are of the same round; the median of the rounds stands before the least and the greatest. The model takes 2.4 GB in DIR, and
training it some 11 GB of memory.

usage: python qwen3_speed.py [--dress target/release/dress] [--step target/release/examples/step_speed] [--rounds 3] [--threads 2]
                             [--model DIR] [--tiny]
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
PARITY = HERE.parent / "crates/dress-models/tests/parity"
SHAPE = dict(vocab_size=151936, hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
             intermediate_size=3072, tie_word_embeddings=True, max_position_embeddings=40960,
             rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, rms_norm_eps=1e-6)
# To see whether everything runs, and nothing else.
TINY = dict(vocab_size=512, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
            intermediate_size=192, max_position_embeddings=1024)
PREFILL, PROMPT, NEW, TRAIN = 512, 64, 32, 256
KINDS = {"prefill": f"prefill of {PREFILL}, last logits", "decode": f"decoding {NEW}", "train": f"training step at 1 x {TRAIN}"}


def make(place, shape):
    """Runs in a process of its own, whose memory goes with it."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    sys.path.insert(0, str(PARITY))
    from check_families import tokenizer
    torch.manual_seed(1)
    config = AutoConfig.for_model("qwen3", **shape, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(place)
    # A file that is there and nothing more: ids are drawn at random.
    (pathlib.Path(place) / "tokenizer.json").write_text(json.dumps(tokenizer(shape["vocab_size"])))


def run(threads, *command):
    # Ours take as many threads as rayon has, PyTorch's what its option says.
    found = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                           env=os.environ | {"RAYON_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)})
    if found.returncode:
        sys.exit(f"{command[0]}: {found.stderr}")
    return json.loads(found.stdout.strip().splitlines()[-1])


def here(args, model):
    speed = run(args.threads, args.dress, "eval", "--model", model, "--speed", "--prefill-tokens", PREFILL, "--prompt-tokens", PROMPT,
                "--new-tokens", NEW, "--batches", 1, "--rounds", args.repeats, "--warmup", 1, "--json")["speed"]
    steps = run(args.threads, args.step, model, "train", TRAIN, args.repeats + 1)["phases_s"][1:]
    return {"prefill": 1000 * PREFILL / speed["prefill_ms"]["median"], "decode": 1000 / speed["decode_ms"]["median"],
            "train": TRAIN / statistics.median(map(sum, steps))}


def there(args, model):
    script = [sys.executable, PARITY / "torch_speed.py", model, "--threads", args.threads, "--repeats", args.repeats]
    inference = run(args.threads, *script, "--seqlen", PREFILL, "--no-train")
    training = run(args.threads, *script, "--train-seqlen", TRAIN, "--only-train")
    return {"prefill": inference["last_tokens_per_second"], "decode": inference["decode_tokens_per_second"],
            "train": training["train_tokens_per_second"]}


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def measure(args, model):
    rounds = []
    for number in range(args.rounds):
        # Who is first has the cooler machine, so that they take turns at it.
        sides = [("here", here), ("transformers", there)]
        found = {name: side(args, model) for name, side in (sides if number % 2 == 0 else sides[::-1])}
        rounds.append(found)
        print(json.dumps(found), file=sys.stderr, flush=True)
    print(f"| tokens a second, {args.threads} threads, {args.rounds} rounds | here | transformers | here / transformers |")
    print("|---|---|---|---|")
    for kind, title in KINDS.items():
        ours, theirs = ([found[side][kind] for found in rounds] for side in ("here", "transformers"))
        ratios = [mine / its for mine, its in zip(ours, theirs)]
        print(f"| {title} | {spread(ours, 1)} | {spread(theirs, 1)} | {spread(ratios, 2)} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("--step", default="target/release/examples/step_speed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement in a round, after one that does not count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", type=pathlib.Path, help="where the model is kept, and taken from where it is there already")
    parser.add_argument("--tiny", action="store_true", help="a model of nothing, to see whether everything runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = args.model or pathlib.Path(scratch) / "model"
        if not model.exists():
            shape = {**SHAPE, **(TINY if args.tiny else {})}
            maker = multiprocessing.get_context("spawn").Process(target=make, args=(model, shape))
            maker.start()
            maker.join()
            if maker.exitcode:
                sys.exit("transformers did not make the model")
        measure(args, model)


if __name__ == "__main__":
    main()
