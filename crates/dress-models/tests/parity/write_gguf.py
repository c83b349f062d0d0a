"""Writes a checkpoint as GGUF with the `gguf` package of llama.cpp, in f32, as its converter would.

The names of tensors and keys are that package's and not ours, so that reading such a file is compared with nothing of our own.
Queries and keys of the families that the converter takes for LLaMA's are in interleaved order, and one is added to Gemma's
gains. Rotary scaling is not written. `check_families.py` compares what `dress logits` makes of the file.

usage: python write_gguf.py DIR FILE.gguf
"""
import json
import pathlib
import sys

import gguf
import numpy as np
from gguf import MODEL_ARCH
from safetensors.numpy import load_file

from check_llama_cpp import interleave

ARCHITECTURES = {"qwen2": MODEL_ARCH.QWEN2, "qwen3": MODEL_ARCH.QWEN3, "phi3": MODEL_ARCH.PHI3, "smollm3": MODEL_ARCH.SMOLLM3,
                 "granite": MODEL_ARCH.GRANITE, "olmo2": MODEL_ARCH.OLMO2, "gemma2": MODEL_ARCH.GEMMA2,
                 "gemma3_text": MODEL_ARCH.GEMMA3}
INTERLEAVED = ("granite", "smollm3")


def tensors(directory, config):
    model_type, layers = config["model_type"], config["num_hidden_layers"]
    names = gguf.get_tensor_name_map(ARCHITECTURES[model_type], layers)
    heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
    for path in sorted(directory.glob("model*.safetensors")):
        for name, weight in load_file(path).items():
            part = name.split(".")[-2]
            if model_type.startswith("gemma") and name.endswith("norm.weight"):
                weight = weight + 1
            if model_type in INTERLEAVED and part in heads:
                weight = interleave(weight, heads[part])
            yield names.get_name(name, try_suffixes=(".weight", ".bias")), weight


def sizes(writer, config):
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def of_family(writer, config):
    model_type = config["model_type"]
    if model_type == "granite":
        writer.add_attention_scale(config["attention_multiplier"])
        writer.add_embedding_scale(config["embedding_multiplier"])
        writer.add_residual_scale(config["residual_multiplier"])
        writer.add_logit_scale(config["logits_scaling"])
    if model_type == "phi3":
        writer.add_rope_scaling_orig_ctx_len(config["original_max_position_embeddings"])
    if model_type in ("phi3", "gemma2", "gemma3_text"):
        writer.add_sliding_window(config["sliding_window"] or 0)
    if model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.get("attn_logit_softcapping", 50.0))
        writer.add_final_logit_softcapping(config.get("final_logit_softcapping", 30.0))
    if model_type == "gemma3_text":
        writer.add_rope_freq_base_swa(config["rope_local_base_freq"])


def vocabulary(writer, tokenizer, rows):
    special = {token["id"] for token in tokenizer["added_tokens"]}
    pieces = [piece for piece, _ in sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])]
    pieces += [f"[PAD{id}]" for id in range(len(pieces), rows)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(pieces)
    writer.add_token_types([3 if id in special else 1 for id in range(rows)])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_add_bos_token(False)


def write(directory, path):
    config = json.loads((directory / "config.json").read_text())
    if config.get("rope_scaling"):
        raise ValueError("rotary scaling is not written")
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[ARCHITECTURES[config["model_type"]]])
    sizes(writer, config)
    of_family(writer, config)
    vocabulary(writer, json.loads((directory / "tokenizer.json").read_text()), config["vocab_size"])
    for name, weight in tensors(directory, config):
        writer.add_tensor(name, np.ascontiguousarray(weight, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
