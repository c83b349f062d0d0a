"""Oddities of `config.json`: old and new names side by side, defaults left out, keys that no family knows."""
import json

from .registry import ALL, ROTARY, act_on_tensors, add, config, file, shape, without


def rope(name, *acts, families=ROTARY, **options):
    add("rope", families, name, *acts, **options)


LINEAR = {"rope_type": "linear", "factor": 2.0}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}

rope("theta-500000", config(rope_theta=500000.0))
rope("theta-integer", config(rope_theta=1000000))
rope("theta-missing", without("rope_theta"))
rope("theta-null", config(rope_theta=None), says="rope_theta")
rope("parameters-alone", without("rope_theta"), config(rope_parameters={"rope_type": "default", "rope_theta": 500000.0}))
rope("parameters-and-other-theta", config(rope_parameters={"rope_type": "default", "rope_theta": 500000.0}))
rope("parameters-without-theta", config(rope_theta=500000.0, rope_parameters={"rope_type": "default"}))
rope("parameters-without-any-theta", without("rope_theta"), config(rope_parameters={"rope_type": "default"}))
rope("parameters-null", config(rope_parameters=None, rope_theta=500000.0))
rope("parameters-empty", config(rope_parameters={}, rope_theta=500000.0))
rope("parameters-without-type", config(rope_parameters={"rope_theta": 500000.0}))
rope("parameters-theta-null", config(rope_parameters={"rope_type": "default", "rope_theta": None}), says="rope")
rope("parameters-linear", config(rope_parameters=dict(LINEAR, rope_theta=500000.0)))
rope("parameters-llama3", config(rope_parameters=dict(LLAMA3, rope_theta=500000.0)))
rope("parameters-yarn", config(rope_parameters=dict(YARN, rope_theta=500000.0)), says="yarn")
rope("scaling-null", config(rope_scaling=None))
rope("scaling-empty", config(rope_scaling={}))
rope("scaling-default", config(rope_scaling={"rope_type": "default"}))
rope("scaling-default-factor", config(rope_scaling={"rope_type": "default", "factor": 2.0}))
rope("scaling-linear", config(rope_scaling=LINEAR))
rope("scaling-linear-old-name", config(rope_scaling={"type": "linear", "factor": 2.0}))
rope("scaling-linear-whole-factor", config(rope_scaling={"type": "linear", "factor": 2}))
rope("scaling-linear-below-one", config(rope_scaling={"type": "linear", "factor": 0.5}))
rope("scaling-linear-no-factor", config(rope_scaling={"rope_type": "linear"}), says="factor")
rope("scaling-both-types", config(rope_scaling={"type": "linear", "rope_type": "default", "factor": 2.0}))
rope("scaling-both-types-other", config(rope_scaling={"type": "default", "rope_type": "linear", "factor": 2.0}))
rope("scaling-no-type", config(rope_scaling={"factor": 2.0}))
rope("scaling-unknown-type", config(rope_scaling={"rope_type": "spiral", "factor": 2.0}), says="spiral")
rope("scaling-dynamic", config(rope_scaling={"rope_type": "dynamic", "factor": 2.0}), says="dynamic")
rope("scaling-yarn", config(rope_scaling=YARN), says="yarn")
rope("scaling-longrope", config(rope_scaling={"type": "longrope", "long_factor": [1.0] * 4, "short_factor": [1.0] * 4}),
     says="longrope")
rope("scaling-llama3", config(rope_scaling=LLAMA3))
rope("scaling-llama3-old-name", config(rope_scaling={("type" if k == "rope_type" else k): v for k, v in LLAMA3.items()}))
rope("scaling-llama3-no-original", config(rope_scaling={k: v for k, v in LLAMA3.items() if not k.startswith("orig")}),
     says="original_max_position_embeddings")
rope("scaling-llama3-no-low", config(rope_scaling={k: v for k, v in LLAMA3.items() if not k.startswith("low")}), says="low_freq")
rope("scaling-with-theta-inside", config(rope_scaling=dict(LINEAR, rope_theta=500000.0)))
rope("scaling-a-string", config(rope_scaling="linear"), says="rope_scaling")
rope("scaling-a-list", config(rope_scaling=["linear", 2.0]), says="rope_scaling")
rope("scaling-mrope", config(rope_scaling={"type": "mrope", "mrope_section": [2, 1, 1]}), says="mrope")
for old, scaling in {"linear": LINEAR, "llama3": LLAMA3, "yarn": YARN, "empty": {}, "null": None}.items():
    for new, parameters in {"default": {"rope_type": "default", "rope_theta": 500000.0},
                            "linear4": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500000.0},
                            "yarn": dict(YARN, rope_theta=500000.0)}.items():
        rope(f"scaling-{old}-beside-parameters-{new}", config(rope_scaling=scaling, rope_parameters=parameters),
             says="yarn" if "yarn" in (old, new) else None)
rope("scaling-beside-parameters-no-top-theta", without("rope_theta"),
     config(rope_scaling=LINEAR, rope_parameters={"rope_type": "default", "rope_theta": 500000.0}))
rope("parameters-nested", config(rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 500000.0}}),
     says="rope_parameters")
rope("partial-0.25", config(partial_rotary_factor=0.25), says="partial_rotary_factor")
rope("partial-1", config(partial_rotary_factor=1.0))
rope("partial-in-parameters", config(rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}),
     says="partial_rotary_factor")
rope("partial-missing", without("partial_rotary_factor"), families="phi")
rope("partial-null", config(partial_rotary_factor=None), families="phi")
rope("partial-odd", config(partial_rotary_factor=0.3), families="phi", says="partial_rotary_factor")
rope("rotary-dim", config(rotary_dim=2), families=ROTARY)
rope("original-max-at-top", config(rope_scaling=LLAMA3, original_max_position_embeddings=16))



def kinds(name, says=None, **keys):
    """Rotary keys of a family that has settings for each kind of layer; its tokenizer's class is none that stock makes anew."""
    add("rope", "gemma3_text", name, config(**keys), file("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}), says=says)


FULL = {"rope_type": "default", "rope_theta": 500000.0}
KINDS = {"full_attention": FULL, "sliding_attention": {"rope_type": "default", "rope_theta": 7000.0}}
OLDER = {"type": "linear", "factor": 8.0}
kinds("nothing")
kinds("top", rope_theta=500000.0, rope_local_base_freq=7000.0)
kinds("kinds", rope_parameters=KINDS)
kinds("scaling", rope_scaling=LINEAR)
kinds("scaling-old-name", rope_scaling=OLDER)
kinds("scaling-old-name-over-no-type", rope_scaling=OLDER, rope_parameters={"full_attention": {"rope_theta": 500000.0}})
kinds("scaling-over-kinds", rope_scaling=LINEAR, rope_parameters=KINDS)
kinds("scaling-no-type-over-linear", rope_scaling={"factor": 4.0}, rope_parameters={"full_attention": dict(LINEAR, rope_theta=500000.0)})
kinds("scaling-with-theta-inside", rope_scaling=dict(LINEAR, rope_theta=500000.0), rope_theta=7000.0)
kinds("scaling-empty", rope_scaling={})
kinds("scaling-a-string", says="rope_scaling", rope_scaling="linear")
kinds("flat", rope_parameters=FULL)
kinds("flat-beside-theta", rope_parameters=FULL, rope_theta=7000.0)
kinds("flat-beside-scaling", says="rope_scaling", rope_parameters=FULL, rope_scaling=LINEAR)
kinds("sliding-alone", rope_parameters={"sliding_attention": KINDS["sliding_attention"]})
kinds("sliding-alone-beside-scaling", says="rope_scaling", rope_parameters={"sliding_attention": FULL}, rope_scaling=LINEAR)
kinds("sliding-linear", says="linear", rope_parameters=dict(KINDS, sliding_attention=dict(LINEAR, rope_theta=7000.0)))
kinds("null-kinds", rope_parameters={"full_attention": None, "sliding_attention": None}, rope_theta=500000.0)
kinds("llama3-original-at-top", rope_parameters=dict(KINDS, full_attention=dict(LLAMA3, rope_theta=500000.0)), original_max_position_embeddings=16)
kinds("llama3-no-original", original_max_position_embeddings=16, rope_parameters=dict(
    KINDS, full_attention=dict({k: v for k, v in LLAMA3.items() if not k.startswith("orig")}, rope_theta=500000.0)))
kinds("partial-at-top", rope_scaling=LINEAR, partial_rotary_factor=0.5)

# Values that are right by default, and names of two generations.
for family, keys in {"llama": ["num_key_value_heads", "attention_bias", "mlp_bias", "rms_norm_eps", "hidden_act", "tie_word_embeddings",
                               "max_position_embeddings", "architectures", "torch_dtype", "bos_token_id", "model_type"],
                     "opt": ["word_embed_proj_dim", "do_layer_norm_before", "activation_function", "tie_word_embeddings",
                             "dropout", "architectures", "torch_dtype", "max_position_embeddings", "ffn_dim", "model_type"],
                     "phi": ["num_key_value_heads", "layer_norm_eps", "hidden_act", "tie_word_embeddings", "qk_layernorm",
                             "architectures", "torch_dtype", "max_position_embeddings", "model_type"]}.items():
    for key in keys:
        add("missing", family, key, without(key))
    for key in keys:
        if key not in ("architectures", "model_type"):
            add("null", family, key, config(**{key: None}), says=key)
add("missing", "llama phi", "num_key_value_heads-fitting", shape(num_key_value_heads=4), without("num_key_value_heads"))
add("null", "llama phi", "num_key_value_heads-fitting", shape(num_key_value_heads=4), config(num_key_value_heads=None))
add("missing", "opt", "word_embed_proj_dim-other", shape(word_embed_proj_dim=16), without("word_embed_proj_dim"))

for value in ("silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python", "relu", "relu2", "quick_gelu", "tanh",
              "mish", "linear", "sparkle", "GELU"):
    add("activation", "llama phi", value, config(hidden_act=value), says=value)
    add("activation", "opt", value, config(activation_function=value), says=value)
add("activation", "opt", "hidden_act-beside", config(hidden_act="gelu"))
add("activation", "llama", "hidden_activation-beside", config(hidden_activation="gelu_pytorch_tanh"))

for name, value in {"text": "1e-5", "larger": 1e-2, "zero": 0.0}.items():
    add("epsilon", "llama", name, config(rms_norm_eps=value), says="rms_norm_eps")
    add("epsilon", "phi", name, config(layer_norm_eps=value), says="layer_norm_eps")
add("epsilon", "llama", "layer_norm_eps-beside", config(layer_norm_eps=1e-2))
add("epsilon", "opt", "layer_norm_eps-beside", config(layer_norm_eps=1e-2))

add("shape", "llama", "head_dim-null", config(head_dim=None))
add("shape", ALL, "head_dim-fitting", config(head_dim=8))
add("shape", "llama phi", "head_dim-own", shape(head_dim=16))
add("shape", ALL, "head_dim-wrong", config(head_dim=16))
add("shape", ALL, "hidden-as-text", config(hidden_size="32"), says="hidden_size")
add("shape", ALL, "layers-as-float", config(num_hidden_layers=2.0), says="num_hidden_layers")
add("shape", ALL, "layers-fewer", config(num_hidden_layers=1))
add("shape", ALL, "layers-more", config(num_hidden_layers=3))
add("shape", ALL, "layers-zero", config(num_hidden_layers=0))
add("shape", ALL, "vocabulary-smaller", config(vocab_size=310))
add("shape", ALL, "vocabulary-larger", config(vocab_size=330))
add("shape", ALL, "vocabulary-padded", shape(vocab_size=384))
add("shape", ALL, "vocabulary-below-ids", shape(vocab_size=290))
add("shape", ALL, "positions-fewer", config(max_position_embeddings=32))
add("shape", "llama phi", "positions-fewer-scaled", config(max_position_embeddings=32, rope_scaling=LINEAR))
add("shape", "llama phi", "key-value-heads-wrong", config(num_key_value_heads=4))
add("shape", "llama phi", "key-value-heads-uneven", config(num_key_value_heads=3))
add("shape", ALL, "heads-other", config(num_attention_heads=2))
add("shape", "llama phi", "heads-not-a-divisor", config(num_attention_heads=3))
add("shape", "llama phi", "multi-query", shape(num_key_value_heads=1))

add("opt", "opt", "post-norm", shape(do_layer_norm_before=False))
add("opt", "opt", "projected", shape(word_embed_proj_dim=16))
add("opt", "opt", "post-norm-projected", shape(do_layer_norm_before=False, word_embed_proj_dim=16))
add("opt", "opt", "no-final-norm", shape(_remove_final_layer_norm=True), says="_remove_final_layer_norm")
add("opt", "opt", "no-final-norm-in-config", config(_remove_final_layer_norm=True), says="_remove_final_layer_norm")
add("opt", "opt", "no-bias", shape(enable_bias=False), says="enable_bias")
add("opt", "opt", "bias-denied", config(enable_bias=False), says="enable_bias")
add("opt", "opt", "norms-without-gains", shape(layer_norm_elementwise_affine=False), says="layer_norm_elementwise_affine")
add("opt", "opt", "layerdrop", config(layerdrop=0.5, dropout=0.5, attention_dropout=0.5))
add("opt", "opt", "pad-token", config(pad_token_id=1))
add("opt", "opt", "post-norm-in-config", config(do_layer_norm_before=False))
add("phi", "phi", "qk-layernorm", shape(qk_layernorm=True), says="qk_layernorm")
add("phi", "phi", "qk-layernorm-in-config", config(qk_layernorm=True), says="qk_layernorm")
add("phi", "phi", "dropout", config(resid_pdrop=0.5, embd_pdrop=0.5, attention_dropout=0.5))
add("biases", "llama", "attention", shape(attention_bias=True))
add("biases", "llama", "mlp", shape(mlp_bias=True))
add("biases", "llama", "denied", shape(attention_bias=True, mlp_bias=True), config(attention_bias=False, mlp_bias=False))
add("biases", "llama", "attention-promised", config(attention_bias=True))
add("biases", "llama", "mlp-promised", config(mlp_bias=True))
add("biases", "llama", "only-qkv", act_on_tensors(lambda tensors, c: tensors.update(
    {f"model.layers.{i}.self_attn.{p}_proj.bias": c.noise(32 if p == "q" else 16) for i in range(2) for p in "qkv"})))
add("biases", "llama", "bias-key-of-qwen", config(qkv_bias=True, use_bias=True))

HARMLESS = {"use_cache": False, "pretraining_tp": 2, "output_attentions": True, "output_hidden_states": True, "torchscript": False,
            "use_bfloat16": True, "unsloth_version": "2025.1", "_name_or_path": "acme/llama", "transformers_version": "4.31.0.dev0",
            "initializer_range": 0.1, "auto_map": {"AutoModelForCausalLM": "modeling_acme.AcmeForCausalLM"},
            "gradient_checkpointing": True, "problem_type": None, "id2label": {"0": "A", "1": "B"}, "prefix": "</s>", "is_decoder": True,
            "attn_implementation": "flash_attention_2", "_attn_implementation_autoset": True, "dtype": "bfloat16",
            "chunk_size_feed_forward": 4, "temperature": 0.7, "num_beams": 4, "task_specific_params": {"x": {}},
            "mup_width_multiplier": 1, "attention_dropout": 0.5, "add_cross_attention": False, "bad_words_ids": [[1]]}
CHANGING = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}, "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0, "sliding_window": 8, "use_sliding_window": True, "layer_types": ["sliding_attention"] * 2,
            "embedding_multiplier": 12.0, "residual_multiplier": 0.22, "logits_scaling": 8.0, "attention_multiplier": 0.01,
            "no_rope_layers": [0, 1], "query_pre_attn_scalar": 16, "num_local_experts": 8, "scale_emb": 12, "alibi": True,
            "parallel_residual": False, "use_qk_norm": True, "logit_scale": 0.5, "clip_qkv": 8.0, "quantization_config-gptq":
            {"quant_method": "gptq", "bits": 4}, "pruned_heads": {"0": [1]}, "tie_encoder_decoder": True, "rope_interleaved": True,
            "use_parallel_residual": True, "block_configs": [{}, {}], "cross_attention_layers": [0], "rms_norm_offset": 1.0}
for key, value in HARMLESS.items():
    add("harmless", ALL, key, config(**{key: value}))
for key, value in CHANGING.items():
    add("changing", ALL, key, config(**{key.removesuffix("-gptq"): value}), says=key.removesuffix("-gptq"))
add("architecture", ALL, "none", config(architectures=None))
add("architecture", ALL, "empty", config(architectures=[]))
add("architecture", ALL, "base", lambda c: c.config.update(architectures=[c.config["architectures"][0].replace("ForCausalLM", "Model")]))
add("architecture", ALL, "classifier",
    lambda c: c.config.update(architectures=[c.config["architectures"][0].replace("CausalLM", "SequenceClassification")]))
add("architecture", ALL, "unknown", config(architectures=["AcmeForCausalLM"]))
add("architecture", "llama", "mistral", config(model_type="mistral", architectures=["MistralForCausalLM"]), says="mistral")
add("architecture", ALL, "upper-case", lambda c: (c.draw(), c.config.update(model_type=c.family.upper())))
add("architecture", "llama", "says-opt", config(model_type="opt"))


def as_text(change):
    return file("config.json", lambda c: change(json.dumps(c.config, indent=1)))


add("json", ALL, "byte-order-mark", file("config.json", lambda c: b"\xef\xbb\xbf" + json.dumps(c.config).encode()))
add("json", ALL, "utf-16", file("config.json", lambda c: json.dumps(c.config).encode("utf-16")))
add("json", ALL, "comment", as_text(lambda text: text.replace("{", "{ // made by hand", 1)))
add("json", ALL, "trailing-comma", as_text(lambda text: text[:-2] + ",\n}"))
add("json", ALL, "key-twice", as_text(lambda text: text[:-2] + ',\n"num_hidden_layers": 1\n}'))
add("json", ALL, "infinity", as_text(lambda text: text[:-2] + ',\n"some_limit": Infinity\n}'))
add("json", ALL, "not-a-number", as_text(lambda text: text[:-2] + ',\n"some_limit": NaN\n}'))
add("json", ALL, "a-list", file("config.json", "[]"))
add("json", ALL, "empty", file("config.json", ""))
add("json", ALL, "windows-line-ends", file("config.json", lambda c: json.dumps(c.config, indent=1).replace("\n", "\r\n").encode()))
