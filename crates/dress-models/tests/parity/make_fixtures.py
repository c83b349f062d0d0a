"""Writes ../fixtures: small random checkpoints of every family with what stock transformers computes of them.

Each directory is a Hugging Face checkpoint plus `reference.safetensors`: `input_ids` [2, 40], `logits` of
a float32 forward pass on the CPU, `prompt` [1, 8] and `greedy` [1, 32], its greedy continuation.
`config.json` is written as published checkpoints have it; `config.v5.json` as
transformers 5 writes it. ../fixtures/VERSIONS.txt says which versions made which of them; it is written anew with every run.

usage: python make_fixtures.py [NAME...]
"""
import copy
import json
import pathlib
import shutil
import sys

import safetensors
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
LLAMA3_SCALING = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                  "original_max_position_embeddings": 32}
CONFIGS = {
    "llama2_mha_untied": dict(
        vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, head_dim=8, rope_theta=10000.0, rms_norm_eps=1e-5, tie_word_embeddings=False),
    "llama3_gqa_tied": dict(
        vocab_size=128, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=2, head_dim=12, rope_theta=500000.0, rope_scaling=LLAMA3_SCALING,
        rms_norm_eps=1e-5, tie_word_embeddings=True),
    "llama_biases_sharded": dict(
        vocab_size=96, hidden_size=40, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, rope_theta=10000.0, rms_norm_eps=1e-6, attention_bias=True,
        mlp_bias=True, tie_word_embeddings=False),
}
NO_TOKENS = dict(bos_token_id=None, eos_token_id=None, pad_token_id=None)
LLAMA = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", attention_bias=False,
             mlp_bias=False, max_position_embeddings=128, rope_scaling=None, **NO_TOKENS)
OPT = dict(architectures=["OPTForCausalLM"], model_type="opt", vocab_size=96, ffn_dim=56, num_hidden_layers=2,
           num_attention_heads=4, max_position_embeddings=64, dropout=0.0, attention_dropout=0.0,
           activation_function="relu", tie_word_embeddings=True, **NO_TOKENS)
DECODER = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
               num_key_value_heads=2, hidden_act="silu", max_position_embeddings=128, rope_theta=10000.0,
               rms_norm_eps=1e-5, tie_word_embeddings=False, **NO_TOKENS)
MISTRAL = dict(DECODER, architectures=["MistralForCausalLM"], model_type="mistral")
QWEN2 = dict(DECODER, architectures=["Qwen2ForCausalLM"], model_type="qwen2", use_sliding_window=False)
QWEN3 = dict(DECODER, architectures=["Qwen3ForCausalLM"], model_type="qwen3", use_sliding_window=False, head_dim=8)
PHI3 = dict(DECODER, architectures=["Phi3ForCausalLM"], model_type="phi3", sliding_window=None,
            original_max_position_embeddings=128)
SMOLLM3 = dict(DECODER, architectures=["SmolLM3ForCausalLM"], model_type="smollm3", rope_theta=2000000.0)
GRANITE = dict(DECODER, architectures=["GraniteForCausalLM"], model_type="granite", embedding_multiplier=6.0,
               residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=4.0)
OLMO2 = dict(DECODER, architectures=["Olmo2ForCausalLM"], model_type="olmo2", num_key_value_heads=4)
GEMMA2 = dict(DECODER, architectures=["Gemma2ForCausalLM"], model_type="gemma2", head_dim=8, sliding_window=9,
              hidden_activation="gelu_pytorch_tanh", query_pre_attn_scalar=8, tie_word_embeddings=True)
GEMMA3 = dict(GEMMA2, architectures=["Gemma3ForCausalLM"], model_type="gemma3_text", rope_theta=1000000.0,
              rope_local_base_freq=10000.0, sliding_window_pattern=2)
NEOX = dict(architectures=["GPTNeoXForCausalLM"], model_type="gpt_neox", vocab_size=96, hidden_size=32, intermediate_size=72,
            num_hidden_layers=2, num_attention_heads=4, hidden_act="gelu", layer_norm_eps=1e-5, rotary_pct=0.25,
            rotary_emb_base=10000, max_position_embeddings=128, use_parallel_residual=True, tie_word_embeddings=False,
            **NO_TOKENS)
for shape in (GEMMA2, GEMMA3):
    del shape["hidden_act"]
PHI = dict(architectures=["PhiForCausalLM"], model_type="phi", vocab_size=96, intermediate_size=72,
           num_hidden_layers=2, hidden_act="gelu_new", layer_norm_eps=1e-5, max_position_embeddings=128,
           embd_pdrop=0.0, resid_pdrop=0.0, attention_dropout=0.0, qk_layernorm=False,
           tie_word_embeddings=False, rope_theta=10000.0, **NO_TOKENS)
CONFIGS = {name: {**LLAMA, **shape} for name, shape in CONFIGS.items()} | {
    "opt_pre_norm": dict(OPT, hidden_size=32, word_embed_proj_dim=32, do_layer_norm_before=True),
    "opt_untied_gelu": dict(OPT, hidden_size=32, word_embed_proj_dim=32, do_layer_norm_before=True,
                            tie_word_embeddings=False, activation_function="gelu"),
    "opt_350m_layout": dict(OPT, hidden_size=32, word_embed_proj_dim=24, do_layer_norm_before=False),
    # Windows are shorter than the texts of 40 and 32 tokens.
    "mistral_window": dict(MISTRAL, sliding_window=12),
    "mistral_wide_heads": dict(MISTRAL, sliding_window=None, hidden_size=40, head_dim=12),
    "mistral_tied_linear": dict(MISTRAL, sliding_window=None, tie_word_embeddings=True, num_hidden_layers=3,
                                rope_scaling={"type": "linear", "factor": 2.0}),
    "qwen2_tied": dict(QWEN2, tie_word_embeddings=True, num_hidden_layers=3),
    "qwen2_windows": dict(QWEN2, use_sliding_window=True, sliding_window=10, max_window_layers=1,
                          num_hidden_layers=3, hidden_size=24),
    "qwen2_wide_heads": dict(QWEN2, hidden_size=36, head_dim=12, num_key_value_heads=1),
    "qwen3_tied": dict(QWEN3, tie_word_embeddings=True, head_dim=16, rope_theta=1000000.0),
    "qwen3_biases": dict(QWEN3, attention_bias=True, num_key_value_heads=4),
    "qwen3_layer_types": dict(QWEN3, num_hidden_layers=3, use_sliding_window=True, sliding_window=9,
                              layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
    "phi3_plain": dict(PHI3),
    # Beyond 16 tokens every frequency is another one, in the middle of the greedy text too.
    "phi3_long_rope": dict(PHI3, hidden_size=48, partial_rotary_factor=0.5, original_max_position_embeddings=16,
                           tie_word_embeddings=True,
                           rope_scaling={"type": "longrope", "short_factor": [1.0, 1.25, 1.5],
                                         "long_factor": [1.0, 2.0, 4.0]}),
    "phi3_window": dict(PHI3, sliding_window=11, head_dim=12, num_hidden_layers=3),
    "smollm3_tied": dict(SMOLLM3, tie_word_embeddings=True, no_rope_layer_interval=2, num_hidden_layers=3),
    "smollm3_list": dict(SMOLLM3, no_rope_layers=[0, 1, 1], num_hidden_layers=3, use_sliding_window=True,
                         sliding_window=10),
    "smollm3_biases": dict(SMOLLM3, attention_bias=True, mlp_bias=True, no_rope_layers=[1, 0]),
    "granite_tied": dict(GRANITE, tie_word_embeddings=True),
    "granite_plain": dict(GRANITE, embedding_multiplier=1.0, residual_multiplier=1.0, logits_scaling=1.0,
                          attention_multiplier=0.35),
    "granite_biases": dict(GRANITE, attention_bias=True, mlp_bias=True, num_hidden_layers=3),
    "olmo2_plain": dict(OLMO2),
    "olmo2_groups": dict(OLMO2, num_key_value_heads=2, tie_word_embeddings=True, num_hidden_layers=3),
    "olmo2_biases": dict(OLMO2, attention_bias=True, head_dim=12),
    "gemma2_tied": dict(GEMMA2),
    "gemma2_caps": dict(GEMMA2, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, query_pre_attn_scalar=11,
                        num_hidden_layers=3),
    "gemma2_biases": dict(GEMMA2, attention_bias=True, tie_word_embeddings=False, head_dim=12, hidden_size=36),
    "gemma3_tied": dict(GEMMA3),
    "gemma3_linear": dict(GEMMA3, rope_scaling={"rope_type": "linear", "factor": 4.0}, head_dim=16,
                          query_pre_attn_scalar=12),
    "gemma3_list": dict(GEMMA3, layer_types=["full_attention", "sliding_attention", "sliding_attention"],
                        num_hidden_layers=3, final_logit_softcapping=4.0, attention_bias=True),
    "gpt_neox_parallel": dict(NEOX),
    "gpt_neox_sequential": dict(NEOX, use_parallel_residual=False, hidden_size=24, num_attention_heads=3, rotary_pct=0.5,
                                rotary_emb_base=5000, num_hidden_layers=3),
    "gpt_neox_no_biases": dict(NEOX, attention_bias=False, hidden_act="gelu_new", rotary_pct=1.0,
                               rope_scaling={"type": "linear", "factor": 2.0}),
    "phi_2": dict(PHI, hidden_size=80, num_attention_heads=4, num_key_value_heads=4, partial_rotary_factor=0.4),
    "phi_gqa_half_rotary": dict(PHI, hidden_size=48, num_attention_heads=6, num_key_value_heads=2,
                                head_dim=12, partial_rotary_factor=0.5),
}


def randomize(model):
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, 0.0, 0.1)
        elif "norm" in name:
            # Gemma's gains are one more than what is filed.
            mean = 0.0 if type(model).__name__.startswith("Gemma") else 1.0
            torch.nn.init.normal_(parameter, mean, 0.2)
        else:
            torch.nn.init.normal_(parameter, 0.0, 0.25)


def reference(model, vocab_size):
    ids = torch.randint(0, vocab_size, (2, 40))
    prompt = ids[:1, :8].clone()
    with torch.no_grad():
        logits = model(ids).logits.float()
        greedy = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                                max_new_tokens=24, eos_token_id=None, pad_token_id=0)
    return {"input_ids": ids, "logits": logits.contiguous(), "prompt": prompt, "greedy": greedy.contiguous()}


def make(name, shape, place=FIXTURES):
    torch.manual_seed(20240417)
    directory = place / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    published = {**shape, "torch_dtype": "float32"}
    fields = {key: value for key, value in shape.items() if key not in ("architectures", "model_type")}
    # What is nested is changed on the way.
    config = AutoConfig.for_model(shape["model_type"], **copy.deepcopy(fields))
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    randomize(model)
    if "sharded" in name:
        model.to(torch.bfloat16)
        published["torch_dtype"] = "bfloat16"
        model.save_pretrained(directory, max_shard_size="24KB")
        # Not model.float(): the rotary frequencies would stay rounded.
        model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    else:
        model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)
    (directory / "config.json").rename(directory / "config.v5.json")
    (directory / "config.json").write_text(json.dumps(published, indent=2) + "\n")
    save_file(reference(model.eval(), shape["vocab_size"]), directory / "reference.safetensors")
    check(directory)


def make_pytorch(name, source, max_shard_bytes, rename):
    """The same checkpoint as `torch.save` writes it, in several files where it is larger than one."""
    directory = FIXTURES / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for file in ("config.json", "reference.safetensors"):
        shutil.copy(FIXTURES / source / file, directory / file)
    tensors = {}
    for path in sorted((FIXTURES / source).glob("model*.safetensors")):
        tensors |= {rename(key): value for key, value in load_file(path).items()}
    shards = [{}]
    for key, value in tensors.items():
        if shards[-1] and sum(v.numel() * v.element_size() for v in shards[-1].values()) > max_shard_bytes:
            shards.append({})
        shards[-1][key] = value
    if len(shards) == 1:
        torch.save(shards[0], directory / "pytorch_model.bin")
        return
    names = [f"pytorch_model-{i + 1:05}-of-{len(shards):05}.bin" for i in range(len(shards))]
    for shard, file in zip(shards, names):
        torch.save(shard, directory / file)
    index = {"metadata": {}, "weight_map": {key: file for shard, file in zip(shards, names) for key in shard}}
    (directory / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n")


def make_pytorch_oddities():
    """What people hand on as `pytorch_model.bin`: a tied model with a trained head, a training run's dictionary, a
    pickled model."""
    source = FIXTURES / "bin_without_prefix"
    plain = torch.load(source / "pytorch_model.bin")
    tensors = {f"model.{key}": value for key, value in plain.items()}
    head = tensors["model.decoder.embed_tokens.weight"].flip(0).contiguous()
    names = ("bin_own_head", "bin_nested", "bin_whole_model")
    for name in names:
        shutil.rmtree(FIXTURES / name, ignore_errors=True)
        (FIXTURES / name).mkdir()
        shutil.copy(source / "config.json", FIXTURES / name / "config.json")
    torch.save(tensors | {"lm_head.weight": head}, FIXTURES / "bin_own_head" / "pytorch_model.bin")
    torch.save({"epoch": 3, "state_dict": tensors}, FIXTURES / "bin_nested" / "pytorch_model.bin")
    kept = transformers.OPTForCausalLM.from_pretrained(FIXTURES / "bin_own_head", dtype=torch.float32,
                                                       attn_implementation="eager").eval()
    assert not torch.equal(kept.lm_head.weight, kept.model.decoder.embed_tokens.weight)
    save_file(reference(kept, kept.config.vocab_size), FIXTURES / "bin_own_head" / "reference.safetensors")
    whole = AutoModelForCausalLM.from_pretrained(source)
    # Where it lay here is nobody's business.
    for part in whole.modules():
        if hasattr(part, "config"):
            part.config._name_or_path = part.name_or_path = ""
    torch.save(whole, FIXTURES / "bin_whole_model" / "pytorch_model.bin")
    return names


def check(directory):
    """The published form of the config has to mean the same to transformers."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    with safetensors.safe_open(directory / "reference.safetensors", "pt") as file, torch.no_grad():
        difference = (model(file.get_tensor("input_ids")).logits - file.get_tensor("logits")).abs().max()
    print(f"{directory.name}: reloaded from the published config, logits differ by {difference:.1e}")
    assert difference < 1e-4


def write_versions(made):
    """A line for each set of versions, with the fixtures that it made; other lines stay."""
    path, made = FIXTURES / "VERSIONS.txt", set(made)
    used, others = {}, []
    for line in path.read_text().splitlines():
        versions, colon, names = line.partition(": ")
        if colon:
            used[versions] = set(names.split()) - made
        else:
            others.append(line)
    now = ", ".join(f"{module.__name__} {module.__version__}" for module in (torch, transformers, safetensors))
    used[now] = used.get(now, set()) | made
    lines = [f"{versions}: {' '.join(sorted(names))}" for versions, names in sorted(used.items()) if names]
    path.write_text("\n".join(lines + others) + "\n")


def main(asked):
    made = [name for name in CONFIGS if name in asked or not asked]
    for name in made:
        make(name, CONFIGS[name])
    if not asked:
        make_pytorch("bin_sharded", "llama_biases_sharded", 30_000, lambda key: key)
        make_pytorch("bin_without_prefix", "opt_pre_norm", 1 << 30, lambda key: key.removeprefix("model."))
        made += ["bin_sharded", "bin_without_prefix", *make_pytorch_oddities()]
    write_versions(made)


if __name__ == "__main__":
    main(sys.argv[1:])
