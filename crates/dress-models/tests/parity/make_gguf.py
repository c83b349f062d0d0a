"""Writes GGUF fixtures with the `gguf` package of llama.cpp, and what that package reads back from them.

`../fixtures/types.gguf` has a tensor of 2 x 256 numbers of every type that is read, and
`types.reference.safetensors` the numbers that the package dequantizes them to. `../fixtures/llama2.gguf` is the
fixture llama2_mha_untied (queries and keys in the order of llama.cpp's converter), its matrices in f16, and
`../fixtures/gpt_neox.gguf` likewise the fixture gpt_neox_sequential, the queries of all heads before their keys and values.
Run with the versions in ../fixtures/VERSIONS.txt.

usage: python make_gguf.py
"""
import importlib.metadata
import json
import pathlib

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import load_file, save_file

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
PARTS = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
NEOX = {"gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm", "embed_out": "output",
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "attention.query_key_value": "attn_qkv",
        "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down"}


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def k_block(random, kind):
    """Random blocks, for which the package has no writer: any bytes, with scales that are small numbers."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    block = random.integers(0, 256, (2, size), dtype=np.uint8)
    scale = np.frombuffer(random.uniform(0.001, 0.01, 4).astype(np.float16).tobytes(), dtype=np.uint8).reshape(2, 4)
    if kind == Type.Q4_K:
        block[:, :4] = scale
    else:
        block[:, -2:] = scale[:, :2]
    return block


def types():
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(FIXTURES / "types.gguf", "llama")
    reference = {}
    for kind in (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q4_K, Type.Q6_K):
        numbers = random.normal(0, 1, (2, 256)).astype(np.float32)
        data = k_block(random, kind) if kind in (Type.Q4_K, Type.Q6_K) else gguf.quantize(numbers, kind)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        reference[kind.name] = np.ascontiguousarray(gguf.dequantize(data, kind), dtype=np.float32)
    write(writer)
    save_file(reference, FIXTURES / "types.reference.safetensors")


def interleave(weight, heads):
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def llama():
    directory = FIXTURES / "llama2_mha_untied"
    config = json.loads((directory / "config.json").read_text())
    writer = gguf.GGUFWriter(FIXTURES / "llama2.gguf", "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(20)] + ["\u2581", "a", "b", "\u2581a", "ab", "\u2581ab"]
    pieces += [f"piece{i}" for i in range(config["vocab_size"] - len(pieces))]
    scores = [0.0] * 26 + [-1.0, -2.0, -3.0] + [-10.0 - i for i in range(len(pieces) - 29)]
    kinds = [2, 3, 3] + [6] * 20 + [1] * (len(pieces) - 23)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, weight in load_file(directory / "model.safetensors").items():
        stem = name.removesuffix(".weight")
        if stem in TOP:
            found = TOP[stem]
        else:
            _, _, layer, part = stem.split(".", 3)
            found = f"blk.{layer}.{PARTS[part]}"
        if "q_proj" in name or "k_proj" in name:
            weight = interleave(weight, config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"])
        kind = np.float16 if weight.ndim == 2 else np.float32
        writer.add_tensor(f"{found}.weight", np.ascontiguousarray(weight.astype(kind)))
    write(writer)


def part_by_part(rows, heads):
    """The queries of all heads, then the keys, then the values, of rows that have all three of one head together."""
    return rows.reshape(heads, 3, rows.shape[0] // heads // 3, -1).swapaxes(0, 1).reshape(rows.shape)


def gpt_neox(directory, path):
    config = json.loads((directory / "config.json").read_text())
    heads = config["num_attention_heads"]
    writer = gguf.GGUFWriter(path, "gptneox")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_rope_dimension_count(int(config["rotary_pct"] * (config["hidden_size"] // heads)))
    writer.add_rope_freq_base(config["rotary_emb_base"])
    writer.add_head_count(heads)
    writer.add_parallel_residual(config["use_parallel_residual"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    pieces = ["<|endoftext|>", "\u0120", "ab"] + [chr(code) for code in range(33, 126)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("olmo")
    writer.add_token_list(pieces[:config["vocab_size"]])
    writer.add_token_types([3] + [1] * (config["vocab_size"] - 1))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    for name, weight in load_file(directory / "model.safetensors").items():
        stem, kind = name.rsplit(".", 1)
        found = NEOX.get(stem)
        if found is None:
            _, _, layer, part = stem.split(".", 3)
            found = f"blk.{layer}.{NEOX[part]}"
        if "query_key_value" in name:
            weight = part_by_part(weight, heads)
        dtype = np.float16 if weight.ndim == 2 else np.float32
        writer.add_tensor(f"{found}.{kind}", np.ascontiguousarray(weight.astype(dtype)))
    write(writer)


if __name__ == "__main__":
    types()
    llama()
    gpt_neox(FIXTURES / "gpt_neox_sequential", FIXTURES / "gpt_neox.gguf")
    versions = FIXTURES / "VERSIONS.txt"
    lines = [line for line in versions.read_text().splitlines() if not line.startswith("gguf ")]
    versions.write_text("\n".join(lines + ["gguf " + importlib.metadata.version("gguf")]) + "\n")
