"""Slicing a checkpoint of LLaMA-3-8B's shape from file to file: speed beside `cp` of the same files, and peak memory.

Makes the shards (random bf16, finite), scores and slices them with the release build of `dress`, and deletes them. Once
with half of the layers and once with all of them, to show that the peak does not depend on their number. Needs twice
the checkpoint's size on the disk: 33 GB for 32 layers. Reads and writes alternate between `cp` and `dress`, and each
ends with everything on the disk.

usage: python streaming.py SCRATCH [--dress target/release/dress] [--layers 32] [--rounds 2]
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import shutil
import statistics
import struct
import subprocess
import sys
import time

HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, VOCAB = 4096, 14336, 32, 8, 128256
HEAD_DIM = HIDDEN // HEADS
SHARD = 4_900_000_000
CHUNK = 64 << 20

parser = argparse.ArgumentParser()
parser.add_argument("scratch", type=pathlib.Path)
parser.add_argument("--dress", default="target/release/dress")
parser.add_argument("--layers", type=int, default=32)
parser.add_argument("--rounds", type=int, default=2)
args = parser.parse_args()
# The high byte of a bf16 is its sign and most of its exponent: numbers of weights' size, none of them infinite.
FINITE = bytes(byte & 0x83 | 0x3c for byte in range(256))


def shapes(layers):
    yield "model.embed_tokens.weight", [VOCAB, HIDDEN]
    for layer in range(layers):
        name = f"model.layers.{layer}."
        yield name + "input_layernorm.weight", [HIDDEN]
        yield name + "self_attn.q_proj.weight", [HIDDEN, HIDDEN]
        yield name + "self_attn.k_proj.weight", [KV_HEADS * HEAD_DIM, HIDDEN]
        yield name + "self_attn.v_proj.weight", [KV_HEADS * HEAD_DIM, HIDDEN]
        yield name + "self_attn.o_proj.weight", [HIDDEN, HIDDEN]
        yield name + "post_attention_layernorm.weight", [HIDDEN]
        yield name + "mlp.gate_proj.weight", [INTERMEDIATE, HIDDEN]
        yield name + "mlp.up_proj.weight", [INTERMEDIATE, HIDDEN]
        yield name + "mlp.down_proj.weight", [HIDDEN, INTERMEDIATE]
    yield "model.norm.weight", [HIDDEN]
    yield "lm_head.weight", [VOCAB, HIDDEN]


def size(shape):
    return 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)


def make(place, layers):
    place.mkdir(parents=True)
    noise = os.urandom(CHUNK).translate(FINITE)
    shards = [[]]
    for name, shape in shapes(layers):
        if sum(size(s) for _, s in shards[-1]) + size(shape) > SHARD:
            shards.append([])
        shards[-1].append((name, shape))
    weight_map, total = {}, 0
    for number, shard in enumerate(shards):
        file = f"model-{number + 1:05}-of-{len(shards):05}.safetensors"
        header, end = {}, 0
        for name, shape in shard:
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size(shape)]}
            end += size(shape)
            weight_map[name] = file
        text = json.dumps(header).encode()
        with open(place / file, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for start in range(0, end, CHUNK):
                out.write(noise[:min(CHUNK, end - start)])
        total += end
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (place / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB, "hidden_size": HIDDEN,
              "intermediate_size": INTERMEDIATE, "num_hidden_layers": layers, "num_attention_heads": HEADS,
              "num_key_value_heads": KV_HEADS, "max_position_embeddings": 8192, "rms_norm_eps": 1e-5,
              "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    (place / "config.json").write_text(json.dumps(config))
    os.sync()


def run(*command):
    """Seconds until everything is on the disk, peak memory in MB, and what was printed."""
    began = time.monotonic()
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, error = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    os.sync()
    if status:
        sys.exit(f"{' '.join(map(str, command))}: {error.decode()}")
    return time.monotonic() - began, usage.ru_maxrss / 1000, out


rows = []
for layers in (args.layers // 2, args.layers):
    dense, copy, sliced, plan = (args.scratch / name for name in ("dense", "copy", "sliced", "plan.json"))
    # Apart: Linux counts the peak of the process that starts another as the other's.
    maker = multiprocessing.Process(target=make, args=(dense, layers))
    maker.start()
    maker.join()
    if maker.exitcode:
        sys.exit("the checkpoint could not be made")
    total = sum(file.stat().st_size for file in dense.glob("*.safetensors"))
    scoring, score_peak, _ = run(args.dress, "score", "--model", dense, "--criterion", "magnitude-l2", "--axis", "residual",
                                 "--ratio", 0.25, "--stream", "--dtype", "bf16", "--out", plan, "--json")
    seconds = {"cp": [], "dress": []}
    for _ in range(args.rounds):
        seconds["cp"].append(run("cp", "-r", dense, copy)[0])
        shutil.rmtree(copy)
        os.sync()
        slicing, peak, out = run(args.dress, "slice", "--plan", plan, dense, sliced, "--json")
        seconds["dress"].append(slicing)
        left = json.loads(out)["bytes"]
        shutil.rmtree(sliced)
        os.sync()
    shutil.rmtree(dense)
    plan.unlink()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    rows.append({"layers": layers, "bytes": total, "bytes_left": left, "score_seconds": scoring, "score_peak_mb": score_peak,
                 "cp_seconds": medians["cp"], "slice_seconds": medians["dress"], "slice_peak_mb": peak,
                 "speed_to_cp": medians["cp"] / medians["dress"]})
    print(json.dumps(rows[-1]), flush=True)
print(f"peak with twice the layers: {rows[1]['slice_peak_mb'] / rows[0]['slice_peak_mb']:.2f} times")
