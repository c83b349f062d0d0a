"""Oddities of the metadata: types of values, lists, rotary scaling in its spellings, lengths of heads, and what a file is."""
import math

import numpy as np

from .file import BOOL, F32, F64, FFN, HEAD, HEADS, I32, KV_HEADS, LAYERS, LIST, TEXT, U8, U16, U32, U64, VOCAB, WIDTH
from .registry import add, drop, of_all, own, put, tensor

BOTH = "llama phi2"
for key in ("rope.scaling.factor", "rope.scale_linear"):
    for kind in (None, "linear", "none", "yarn"):
        for factor in (0.0, 0.5, 1.0, 2.0, 8.0):
            acts = [own(key, F32, factor)] + ([own("rope.scaling.type", TEXT, kind)] if kind else [])
            add(f"{key}-{factor}-{kind}", of_all(*acts), families=BOTH if factor == 2.0 else "llama", says="yarn" if kind == "yarn" else None,
                read=kind != "yarn")
add("both-factors", of_all(own("rope.scaling.factor", F32, 2.0), own("rope.scale_linear", F32, 4.0)), read=True)
add("both-factors-first-is-0", of_all(own("rope.scaling.factor", F32, 0.0), own("rope.scale_linear", F32, 4.0)), read=True)
add("linear-no-factor", own("rope.scaling.type", TEXT, "linear"), read=True)
add("linear-original-context", of_all(own("rope.scaling.factor", F32, 4.0), own("rope.scaling.type", TEXT, "linear"),
                                      own("rope.scaling.original_context_length", U32, 32)), read=True)
add("linear-finetuned", of_all(own("rope.scaling.factor", F32, 4.0), own("rope.scaling.finetuned", BOOL, True)), read=True)
add("attention-factor", own("rope.scaling.attn_factor", F32, 2.0), says="attn_factor")
add("attention-factor-1", own("rope.scaling.attn_factor", F32, 1.0), read=True)
for base in (1.0, 100.0, 500000.0, 1e6):
    add(f"base-{base}", own("rope.freq_base", F32, base), families=BOTH, read=True)
for base in (math.nan, math.inf):
    add(f"base-{base}", own("rope.freq_base", F32, base), says="freq_base")
add("base-missing", drop("FAMILY.rope.freq_base"), families=BOTH, read=True)


def llama3(base=10000.0, factor=8.0, low=1.0, high=4.0, context=8192):
    """The divisors that the converter of llama.cpp writes for LLaMA-3's scaling."""
    found = []
    for i in range(HEAD // 2):
        length = 2 * math.pi * base ** (2 * i / HEAD)
        if length < context / high:
            found.append(1.0)
        elif length > context / low:
            found.append(factor)
        else:
            smooth = (context / length - low) / (high - low)
            found.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(found, np.float32)


def freqs(values):
    return tensor(lambda made: made.update({"rope_freqs.weight": values}))


add("freqs-llama3", of_all(own("rope.freq_base", F32, 500000.0), freqs(llama3(500000.0))), read=True)
add("freqs-llama3-factor-32", of_all(own("rope.freq_base", F32, 500000.0), freqs(llama3(500000.0, 32.0))), read=True)
add("freqs-llama3-other-context", of_all(own("rope.freq_base", F32, 500000.0), freqs(llama3(500000.0, context=2048))), says="rope_freqs")
add("freqs-of-1", freqs(np.ones(HEAD // 2, np.float32)), read=True)
add("freqs-any", freqs(np.linspace(1, 3, HEAD // 2, dtype=np.float32)), says="rope_freqs")
add("freqs-and-linear", of_all(freqs(llama3()), own("rope.scaling.factor", F32, 2.0)), says="rope_freqs")
add("freqs-too-few", freqs(np.ones(HEAD // 4, np.float32)))
add("freqs-and-none", of_all(freqs(np.full(HEAD // 2, 2, np.float32)), own("rope.scaling.type", TEXT, "none")), says="rope_freqs")

for count in (4, 8, 12, 16, 32):
    # ggml has no rotation wider than a head.
    add(f"dimension-count-{count}", own("rope.dimension_count", U32, count), families=BOTH if count <= HEAD else "llama", says="dimension_count")
add("dimension-count-missing", drop("FAMILY.rope.dimension_count"), families=BOTH, says="dimension_count")
for length in (8, 16, 32):
    # Joined projections of another length than is said end llama.cpp.
    families = BOTH if length == HEAD else "llama"
    add(f"key-length-{length}", own("attention.key_length", U32, length), families=families, says="key_length")
    add(f"value-length-{length}", own("attention.value_length", U32, length), families=families, says="value_length")
add("lengths-missing", drop("FAMILY.attention.key_length", "FAMILY.attention.value_length"), read=True)


def wide_heads(keys, values):
    def act(file):
        file.own("attention.key_length", U32, keys)
        file.own("attention.value_length", U32, values)
        file.own("rope.dimension_count", U32, keys)
        for layer in range(LAYERS):
            file.matrix(f"blk.{layer}.attn_q.weight", HEADS * keys, WIDTH)
            file.matrix(f"blk.{layer}.attn_k.weight", KV_HEADS * keys, WIDTH)
            file.matrix(f"blk.{layer}.attn_v.weight", KV_HEADS * values, WIDTH)
            file.matrix(f"blk.{layer}.attn_output.weight", WIDTH, HEADS * values)
    return act


add("heads-of-32", wide_heads(32, 32), read=True)
add("heads-of-8", wide_heads(8, 8), read=True)
add("heads-of-32-and-16", wide_heads(32, 16), says="value_length")

WRONG = {"block_count": [(I32, 2), (U64, 2), (U16, 2)], "embedding_length": [(I32, WIDTH)], "attention.head_count": [(I32, HEADS), (F32, HEADS)],
         "rope.freq_base": [(F64, 10000.0), (U32, 10000)], "attention.layer_norm_rms_epsilon": [(F64, 1e-5), (TEXT, "1e-5")],
         "context_length": [(U16, 128), (TEXT, "128")], "feed_forward_length": [(U64, FFN)], "rope.dimension_count": [(I32, HEAD)],
         "attention.key_length": [(I32, HEAD)], "rope.scaling.factor": [(F64, 2.0), (U32, 2)], "rope.scaling.type": [(U32, 1)], "expert_count": [(I32, 0)]}
for key, values in WRONG.items():
    for kind, value in values:
        add(f"type-of-{key}-{kind}", own(key, kind, value), says=key)
for key, (kind, value) in {"bos_token_id": (I32, 1), "eos_token_id": (U64, 2), "add_bos_token": (U8, 1), "add_eos_token": (U32, 1), "model": (U32, 1),
                           "pre": (U32, 1), "add_space_prefix": (U8, 1)}.items():
    add(f"type-of-{key}-{kind}", put(f"tokenizer.ggml.{key}", kind, value), says=key)

for key, value in {"attention.head_count": HEADS, "attention.head_count_kv": KV_HEADS, "feed_forward_length": FFN}.items():
    add(f"list-of-{key}", own(key, LIST, (U32, [value] * LAYERS)), read=True)
    add(f"list-of-{key}-signed", own(key, LIST, (I32, [value] * LAYERS)), read=True)
    add(f"list-of-{key}-too-long", own(key, LIST, (U32, [value] * (LAYERS + 1))))
    add(f"list-of-{key}-too-short", own(key, LIST, (U32, [value])))
    if not key.endswith("_kv"):  # Unequal ones of these end llama.cpp.
        add(f"list-of-{key}-unequal", own(key, LIST, (U32, [value, value // 2])), says=key)
    add(f"list-of-{key}-floats", own(key, LIST, (F32, [float(value)] * LAYERS)), says=key)
add("list-of-block_count", own("block_count", LIST, (U32, [LAYERS])))
add("heads-kv-missing", drop("FAMILY.attention.head_count_kv"), families=BOTH)
for key in ("attention.head_count", "embedding_length", "block_count", "feed_forward_length", "context_length", "attention.layer_norm_rms_epsilon"):
    add(f"missing-{key}", drop(f"FAMILY.{key}"))
add("missing-attention.layer_norm_epsilon", drop("FAMILY.attention.layer_norm_epsilon"), families="phi2")
for epsilon in (0.0, 0.1, 1.0):
    add(f"epsilon-{epsilon}", own("attention.layer_norm_rms_epsilon", F32, epsilon), read=epsilon > 0)
add("layers-fewer", own("block_count", U32, 1))
add("layers-more", own("block_count", U32, 99))
add("width-other", own("embedding_length", U32, WIDTH * 2))
add("feed-forward-other", own("feed_forward_length", U32, FFN * 2))
add("heads-other", own("attention.head_count", U32, HEADS * 2))
add("heads-kv-other", own("attention.head_count_kv", U32, 1))
add("vocabulary-size-other", own("vocab_size", U32, VOCAB * 2), families=BOTH, read=True)
add("experts-0", own("expert_count", U32, 0), read=True)
add("experts-4", of_all(own("expert_count", U32, 4), own("expert_used_count", U32, 2)))
add("sliding-window", own("attention.sliding_window", U32, 4), families=BOTH, says="sliding_window")
add("logit-scale", own("logit_scale", F32, 2.0), says="logit_scale")
add("attention-scale", own("attention.scale", F32, 2.0), says="attention.scale")
add("residual-scale", own("residual_scale", F32, 2.0), says="residual_scale")
add("embedding-scale", own("embedding_scale", F32, 2.0), says="embedding_scale")
add("soft-cap", own("attn_logit_softcapping", F32, 2.0), says="softcapping")
add("architecture-other", put("general.architecture", TEXT, "acme"))
add("architecture-missing", drop("general.architecture"))
add("architecture-of-the-other-family", put("general.architecture", TEXT, "phi2"))
add("is-a-model", put("general.type", TEXT, "model"), read=True)
add("is-an-adapter", put("general.type", TEXT, "adapter"), says="adapter")
add("file-type", put("general.file_type", U32, 7), read=True)
add("name", put("general.name", TEXT, "Llama 3 of Phi"), read=True)
