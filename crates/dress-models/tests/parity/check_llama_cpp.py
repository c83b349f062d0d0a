"""Writes a LLaMA or Phi checkpoint as GGUF and compares llama.cpp's greedy text with what the Rust side computed.

The file is written with the `gguf` package of llama.cpp, in f32, as its converter would: queries and keys of LLaMA
in interleaved order, Phi's projections joined. llama.cpp is run through `xllamacpp`. FILE is what `dress logits`
wrote: `prompt` and `greedy`. Prints one JSON line and exits with 1 where the text differs.

usage: python check_llama_cpp.py DIR --reference FILE [--pre smollm|gpt-2|...]
"""
import argparse
import importlib.metadata
import json
import pathlib
import sys
import tempfile

import gguf
import numpy as np
import safetensors
import tokenizers
from safetensors.numpy import load_file

LLAMA = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
PHI = {"input_layernorm": "attn_norm", "self_attn.dense": "attn_output", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"}
TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "model.final_layernorm": "output_norm",
       "lm_head": "output"}


def interleave(weight, heads):
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def tensors(directory, config):
    found = {}
    for path in sorted(directory.glob("model*.safetensors")):
        with safetensors.safe_open(path, "pt") as file:
            found |= {name: file.get_tensor(name).float().numpy() for name in file.keys()}
    named = {}
    for name, weight in found.items():
        stem, kind = name.rsplit(".", 1)
        if stem in TOP:
            named[f"{TOP[stem]}.{kind}"] = weight
            continue
        _, _, layer, part = stem.split(".", 3)
        if config["model_type"] == "phi" and part.endswith(("q_proj", "k_proj", "v_proj")):
            if part.endswith("q_proj"):
                joined = [found[f"model.layers.{layer}.self_attn.{p}_proj.{kind}"] for p in "qkv"]
                named[f"blk.{layer}.attn_qkv.{kind}"] = np.concatenate(joined)
            continue
        if config["model_type"] == "llama" and part.endswith(("q_proj", "k_proj")):
            heads = "num_attention_heads" if part.endswith("q_proj") else "num_key_value_heads"
            weight = interleave(weight, config[heads])
        parts = LLAMA if config["model_type"] == "llama" else PHI
        named[f"blk.{layer}.{parts[part]}.{kind}"] = weight
    return named


def write(directory, path, pre):
    config = json.loads((directory / "config.json").read_text())
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    phi = config["model_type"] == "phi"
    writer = gguf.GGUFWriter(path, "phi2" if phi else "llama")
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    if phi:
        writer.add_rope_dimension_count(int(head_dim * config["partial_rotary_factor"]))
        writer.add_layer_norm_eps(config["layer_norm_eps"])
    else:
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
        writer.add_rope_dimension_count(head_dim)
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    vocab = tokenizer["model"]["vocab"] | {t["content"]: t["id"] for t in tokenizer["added_tokens"]}
    special = {t["id"] for t in tokenizer["added_tokens"]}
    pieces = [piece for piece, _ in sorted(vocab.items(), key=lambda item: item[1])]
    pieces += [f"[unused{i}]" for i in range(config["vocab_size"] - len(pieces))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(pieces)
    writer.add_token_types([3 if id in special else 1 for id in range(len(pieces))])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)
    for name, weight in tensors(directory, config).items():
        writer.add_tensor(name, np.ascontiguousarray(weight, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def served(path):
    """A model in llama.cpp, whose attention has the precision of ours.

    The fused attention, which it takes on a CPU where nothing else is said, rounds to f16 whatever the caches hold. Of models this
    small one thread is faster than several, which wait for each other awake.
    """
    import xllamacpp
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = 512
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.sampling.temp = 0.0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    return xllamacpp.Server(params)


def continued(server, prompt, new, **more):
    result = server.handle_completions({"prompt": prompt, "n_predict": new, "temperature": 0.0, "ignore_eos": True,
                                        "return_tokens": True, "cache_prompt": False, **more})
    result = json.loads(result) if isinstance(result, str) else result
    return result["choices"][0]


def greedy(path, prompt, new):
    return continued(served(path), prompt, new)["text"]


def log_probabilities(server, tokens, vocabulary, plain):
    """Of the token behind some others, by its id.

    None come with the end of a text or with a part of a character, so that `plain`, which is neither, is made to be drawn; they
    are those before that.
    """
    drawn = continued(server, tokens, 1, n_probs=vocabulary, logit_bias=[[plain, 1000.0]])
    return {one["id"]: one["logprob"] for one in drawn["logprobs"]["content"][0]["top_logprobs"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--pre", default="gpt-2")
    args = parser.parse_args()
    reference = load_file(args.reference)
    prompt, expected = reference["prompt"][0].tolist(), reference["greedy"][0].tolist()
    with tempfile.TemporaryDirectory() as work:
        path = pathlib.Path(work) / "model.gguf"
        write(args.directory, path, args.pre)
        found = greedy(path, prompt, len(expected) - len(prompt))
    tokenizer = tokenizers.Tokenizer.from_file(str(args.directory / "tokenizer.json"))
    expected = tokenizer.decode(expected[len(prompt):])
    equal = found == expected
    versions = {name: importlib.metadata.version(name) for name in ("gguf", "xllamacpp")}
    print(json.dumps({"directory": str(args.directory), "greedy_equal": equal, "versions": versions,
                      "found": found, **({} if equal else {"expected": expected})}))
    sys.exit(not equal)


if __name__ == "__main__":
    main()
