#!/usr/bin/env bash
# llama.cpp (libllama v0.5.0 of node-llama-cpp 3.22.1): quantizing with prune_layers leaves arrays of a number for each layer as they were.
#
# Guess: `llama-quantize --prune-layers` (prune_layers in llama_model_quantize_params) takes the layer's entry out of every array that has
#   one for each layer, as it renames the tensors behind it and lowers block_count.
# What happens: block_count and the tensors are right, and the arrays keep an entry for the layer that went. The function returns success,
#   and llama.cpp does not load the file that it wrote. A file with one number for all layers works.
#
# Seen 2026-11-29:
#   llama: 3 layers, feed_forward_length 16, loads
#   llama without layer 1: 2 layers, feed_forward_length 16, loads
#   deci: 3 layers, feed_forward_length [16, 8, 12], loads
#   deci without layer 1: 2 layers, feed_forward_length [16, 8, 12], does not load
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet gguf==0.19.0 numpy==2.4.6
npm pack --silent @node-llama-cpp/linux-x64@3.22.1 > packed
tar xzf "$(cat packed)"
cat > show.py <<'PY'
import ctypes
import pathlib
import gguf
import numpy as np

WIDTH, HEADS, HEAD, TOKENS = 8, 2, 4, 16
random = np.random.default_rng(1)

def matrix(*shape):
    return random.normal(0, 0.1, shape).astype(np.float32)

def write(name, neurons):
    differ, layers = len(set(neurons)) > 1, len(neurons)
    writer = gguf.GGUFWriter(f"{name}.gguf", name)
    for add, number in [(writer.add_context_length, 64), (writer.add_embedding_length, WIDTH), (writer.add_block_count, layers),
                        (writer.add_rope_dimension_count, HEAD), (writer.add_vocab_size, TOKENS), (writer.add_key_length, HEAD),
                        (writer.add_value_length, HEAD)]:
        add(number)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_feed_forward_length(neurons if differ else neurons[0])
    for add in (writer.add_head_count, writer.add_head_count_kv):
        add([HEADS] * layers if differ else HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([chr(97 + id) for id in range(TOKENS)])
    writer.add_token_types([1] * TOKENS)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_tensor("token_embd.weight", matrix(TOKENS, WIDTH))
    writer.add_tensor("output.weight", matrix(TOKENS, WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    for layer, count in enumerate(neurons):
        for part in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{part}.weight", np.ones(WIDTH, np.float32))
        for part in ("attn_q", "attn_k", "attn_v"):
            writer.add_tensor(f"blk.{layer}.{part}.weight", matrix(HEADS * HEAD, WIDTH))
        writer.add_tensor(f"blk.{layer}.attn_output.weight", matrix(WIDTH, HEADS * HEAD))
        for part in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"blk.{layer}.{part}.weight", matrix(count, WIDTH))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", matrix(WIDTH, count))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

class Params(ctypes.Structure):
    _fields_ = [("threads", ctypes.c_int32), ("ftype", ctypes.c_int), ("types", ctypes.c_int * 2), ("flags", ctypes.c_bool * 6),
                ("imatrix", ctypes.c_void_p), ("kv_overrides", ctypes.c_void_p), ("tt_overrides", ctypes.c_void_p),
                ("prune_layers", ctypes.c_void_p), ("room", ctypes.c_byte * 128)]

class Room(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_byte * 512)]

place = pathlib.Path("package/bins/linux-x64")
ggml = [ctypes.CDLL(str(next(place.glob(name))), mode=ctypes.RTLD_GLOBAL) for name in ("libggml-base*.so", "libggml.v*.so")][1]
llama = ctypes.CDLL(str(next(place.glob("libllama.v*.so"))))
ggml.ggml_backend_load_all_from_path(str(place).encode())
llama.llama_model_quantize_default_params.restype = Params
llama.llama_model_default_params.restype = Room
llama.llama_model_load_from_file.argtypes, llama.llama_model_load_from_file.restype = [ctypes.c_char_p, Room], ctypes.c_void_p
llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]

def without(name, layer):
    params, layers = llama.llama_model_quantize_default_params(), (ctypes.c_int32 * 2)(layer, -1)
    params.ftype, params.prune_layers = 1, ctypes.cast(layers, ctypes.c_void_p)
    assert llama.llama_model_quantize(f"{name}.gguf".encode(), f"{name}-pruned.gguf".encode(), params) == 0

def show(words, path, name):
    keys = gguf.GGUFReader(path)
    layers, neurons = (keys.get_field(f"{name}.{key}").contents() for key in ("block_count", "feed_forward_length"))
    loads = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
    print(f"{words}: {layers} layers, feed_forward_length {neurons}, {'loads' if loads else 'does not load'}")

for name, neurons in [("llama", [16, 16, 16]), ("deci", [16, 8, 12])]:
    write(name, neurons)
    show(name, f"{name}.gguf", name)
    without(name, 1)
    show(f"{name} without layer 1", f"{name}-pruned.gguf", name)
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
llama: 3 layers, feed_forward_length 16, loads
llama without layer 1: 2 layers, feed_forward_length 16, loads
deci: 3 layers, feed_forward_length [16, 8, 12], loads
deci without layer 1: 2 layers, feed_forward_length [16, 8, 12], does not load
EXPECTED
