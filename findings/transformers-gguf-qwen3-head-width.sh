#!/usr/bin/env bash
# transformers 5.24.0 (gguf 0.19.0): a Qwen3 in a GGUF loads only if its heads are 128 wide.
#
# Guess: attention.key_length, the key in which a GGUF says how wide a head is, becomes head_dim; so that a Qwen3 whose heads were sliced
#   (or whose width is no multiple of the heads) loads like the whole one, and like a LLaMA with the same keys.
# What happens: the key is named among those "not considered", head_dim stays at the 128 that Qwen3's config has if nothing is said,
#   and loading ends in a report of mismatched sizes. For LLaMA head_dim is taken from rope.dimension_count, which need not be there:
#   with attention.key_length alone it is hidden size / heads, and a LLaMA of another head width does not load either.
#
# Seen 2026-11-29:
#   qwen3, heads of 128, both keys: loads, head_dim 128
#   qwen3, heads of 16, both keys: RuntimeError
#   llama, heads of 16, both keys: loads, head_dim 16
#   llama, heads of 16, key_length alone: RuntimeError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0 gguf==0.19.0 accelerate==1.15.0 numpy==2.4.6
cat > show.py <<'PY'
import gguf
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

def write(model, arch, head, both):
    writer = gguf.GGUFWriter("model.gguf", arch)
    writer.add_block_count(1), writer.add_context_length(64), writer.add_embedding_length(8), writer.add_feed_forward_length(16)
    writer.add_head_count(4), writer.add_head_count_kv(4), writer.add_vocab_size(4), writer.add_layer_norm_rms_eps(1e-6)
    writer.add_key_length(head), writer.add_value_length(head)
    if both:
        writer.add_rope_dimension_count(head)
    writer.add_tokenizer_model("gpt2"), writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["a", "b", "ab", "c"]), writer.add_token_types([1] * 4), writer.add_token_merges(["a b"])
    kind = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen3": gguf.MODEL_ARCH.QWEN3}[arch]
    names = gguf.get_tensor_name_map(kind, 1)
    for name, tensor in model.state_dict().items():
        writer.add_tensor(names.get_name(name, (".weight",)), tensor.numpy())
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()

for arch, config, kind, head, both in [("qwen3", Qwen3Config, Qwen3ForCausalLM, 128, True),
                                       ("qwen3", Qwen3Config, Qwen3ForCausalLM, 16, True),
                                       ("llama", LlamaConfig, LlamaForCausalLM, 16, True),
                                       ("llama", LlamaConfig, LlamaForCausalLM, 16, False)]:
    sizes = dict(vocab_size=4, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=4,
                 num_key_value_heads=4, head_dim=head)
    write(kind(config(**sizes)), arch, head, both)
    try:
        found = AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf")
        outcome = f"loads, head_dim {found.config.head_dim}"
    except Exception as error:
        outcome = type(error).__name__
    print(f"{arch}, heads of {head}, {'both keys' if both else 'key_length alone'}: {outcome}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
qwen3, heads of 128, both keys: loads, head_dim 128
qwen3, heads of 16, both keys: RuntimeError
llama, heads of 16, both keys: loads, head_dim 16
llama, heads of 16, key_length alone: RuntimeError
EXPECTED
