#!/usr/bin/env bash
# transformers 5.24.0 (gguf 0.19.0): the rotary scaling of a GGUF is lost, as metadata and as rope_freqs.weight.
#
# Guess: from_pretrained(gguf_file=...) turns rope.scaling.type and .factor into rope_parameters; the factors that a GGUF of LLaMA 3.1
#   or later carries in rope_freqs.weight are applied, or the file is refused.
# What happens: rope_parameters say "default" in every case and the positions are rotated unscaled. The metadata keys are named in a
#   message of keys "not considered"; the tensor, the one form that LLaMA 3's scaling has in a GGUF, is dropped without any.
#
# Seen 2026-11-29:
#   no scaling: default, logits equal True
#   linear, in the metadata: default, logits equal False
#   the same factor as rope_freqs.weight: default, logits equal False, keys reported 0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0 gguf==0.19.0 accelerate==1.15.0 numpy==2.4.6
cat > show.py <<'PY'
import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

# Heads two wide: the order of q and k rows is then the same in both formats, and there is one rotary frequency.
SIZES = dict(vocab_size=4, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64, rms_norm_eps=1e-6, initializer_range=0.5)

def write(model, metadata=False, factors=False):
    writer = gguf.GGUFWriter("model.gguf", "llama")
    writer.add_block_count(2), writer.add_context_length(64), writer.add_embedding_length(8), writer.add_feed_forward_length(16)
    writer.add_head_count(4), writer.add_head_count_kv(4), writer.add_rope_dimension_count(2), writer.add_vocab_size(4)
    writer.add_layer_norm_rms_eps(1e-6), writer.add_tokenizer_model("gpt2"), writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["a", "b", "ab", "c"]), writer.add_token_types([1] * 4), writer.add_token_merges(["a b"])
    if metadata:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR), writer.add_rope_scaling_factor(4.0)
    if factors:
        writer.add_tensor("rope_freqs.weight", np.array([4.0], dtype=np.float32))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    for name, tensor in model.state_dict().items():
        writer.add_tensor(names.get_name(name, (".weight",)), tensor.numpy())
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()

linear = {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}}
ids = torch.tensor([[0, 1, 2, 3, 1]])
for words, more, how in [("no scaling", {}, {}), ("linear, in the metadata", linear, {"metadata": True}),
                         ("the same factor as rope_freqs.weight", linear, {"factors": True})]:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES, **more)).eval()
    write(model, **how)
    found, report = AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf", output_loading_info=True)
    with torch.no_grad():
        equal = torch.allclose(model(ids).logits, found.eval()(ids).logits, atol=1e-4)
    keys = f", keys reported {sum(len(keys) for keys in report.values())}" if "factors" in how else ""
    print(f"{words}: {found.config.rope_parameters['rope_type']}, logits equal {equal}{keys}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
no scaling: default, logits equal True
linear, in the metadata: default, logits equal False
the same factor as rope_freqs.weight: default, logits equal False, keys reported 0
EXPECTED
