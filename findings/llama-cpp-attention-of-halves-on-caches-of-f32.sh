#!/usr/bin/env bash
# llama.cpp (xllamacpp 2026.10.11549): with weights and caches of f32 the attention on a CPU still rounds to f16, unless it is told not to
# be fused.
#
# Guess: a file of f32 with cache_type_k and cache_type_v of f32 is computed in f32 throughout, to 1e-6 or so.
# What happens: the fused attention, which is taken where nothing is said (flash_attn_type auto), rounds within itself whatever the caches
#   hold. Log-probabilities move by some 1e-4 of themselves, which is enough for greedy text of a small model to part. With
#   flash_attn_type disabled they are those of f32 code.
#
# Seen 2026-11-30 (a random LLaMA of two layers, log-probabilities behind 40 tokens beside numpy in f64):
#   fused, which is the default: further apart than 1e-5
#   not fused: within 1e-6
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet gguf==0.19.0 numpy==2.4.6 xllamacpp==2026.10.11549
cat > show.py <<'PY'
import json
import gguf
import numpy as np
import xllamacpp

WIDTH, HEADS, HEAD, NEURONS, TOKENS, LAYERS, BASE, EPSILON = 32, 4, 8, 48, 64, 2, 10000.0, 1e-5
random = np.random.default_rng(1)
sizes = {"attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH),
         "ffn_gate": (NEURONS, WIDTH), "ffn_up": (NEURONS, WIDTH), "ffn_down": (WIDTH, NEURONS)}
weights = {f"blk.{layer}.{name}.weight": random.normal(0, 0.25, size) for layer in range(LAYERS) for name, size in sizes.items()}
weights |= {name: random.normal(0, 0.25, (TOKENS, WIDTH)) for name in ("token_embd.weight", "output.weight")}
weights = {name: weight.astype(np.float32) for name, weight in weights.items()}
ids = [5 + i * 7 % 50 for i in range(40)]

def norm(x):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON)

def turned(x):
    """Pairs of neighbours, as llama.cpp turns a LLaMA's."""
    angles = np.arange(len(x))[:, None, None] * BASE ** (-np.arange(0, HEAD, 2) / HEAD)
    even, odd = x[..., ::2], x[..., 1::2]
    return np.stack([even * np.cos(angles) - odd * np.sin(angles), even * np.sin(angles) + odd * np.cos(angles)], -1).reshape(x.shape)

def expected():
    exact = {name: weight.astype(np.float64) for name, weight in weights.items()}
    x = exact["token_embd.weight"][ids]
    for layer in range(LAYERS):
        def through(name, input):
            return input @ exact[f"blk.{layer}.{name}.weight"].T
        q, k, v = (through(f"attn_{part}", norm(x)).reshape(-1, HEADS, HEAD) for part in "qkv")
        scores = np.einsum("ihd,jhd->hij", turned(q), turned(k)) / np.sqrt(HEAD)
        scores = np.where(np.tri(len(ids), dtype=bool), scores, -np.inf)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        x = x + through("attn_output", np.einsum("hij,jhd->ihd", shares, v).reshape(-1, WIDTH))
        gate = through("ffn_gate", norm(x))
        x = x + through("ffn_down", gate / (1 + np.exp(-gate)) * through("ffn_up", norm(x)))
    logits = norm(x)[-1] @ exact["output.weight"].T
    return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())

def write():
    writer = gguf.GGUFWriter("model.gguf", "llama")
    for add, number in [(writer.add_context_length, 64), (writer.add_embedding_length, WIDTH), (writer.add_block_count, LAYERS),
                        (writer.add_feed_forward_length, NEURONS), (writer.add_head_count, HEADS), (writer.add_head_count_kv, HEADS),
                        (writer.add_rope_dimension_count, HEAD), (writer.add_vocab_size, TOKENS), (writer.add_rope_freq_base, BASE)]:
        add(number)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([chr(33 + id) for id in range(TOKENS)])
    writer.add_token_types([1] * TOKENS)
    writer.add_token_merges(["a b"])
    writer.add_add_bos_token(False)
    writer.add_eos_token_id(0)
    for name, weight in weights.items():
        writer.add_tensor(name, weight)
    for name in ("output_norm", *(f"blk.{layer}.{part}_norm" for layer in range(LAYERS) for part in ("attn", "ffn"))):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

def found(**settings):
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.warmup, params.cpuparams.n_threads = "model.gguf", 64, False, 1
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    for name, value in settings.items():
        setattr(params, name, value)
    server = xllamacpp.Server(params)
    answer = server.handle_completions({"prompt": ids, "n_predict": 1, "temperature": 0.0, "n_probs": TOKENS, "ignore_eos": True,
                                        "logit_bias": [[1, 1000.0]]})
    answer = json.loads(answer) if isinstance(answer, str) else answer
    told = {one["id"]: one["logprob"] for one in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]}
    return np.array([told[id] for id in range(TOKENS)])

def verdict(apart):
    return "within 1e-6" if apart < 1e-6 else "further apart than 1e-5" if apart > 1e-5 else "between"

write()
exact = expected()
disabled = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
for words, settings in {"fused, which is the default": {}, "not fused": {"flash_attn_type": disabled}}.items():
    print(f"{words}: {verdict(np.linalg.norm(found(**settings) - exact) / np.linalg.norm(exact))}", flush=True)
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
fused, which is the default: further apart than 1e-5
not fused: within 1e-6
EXPECTED
