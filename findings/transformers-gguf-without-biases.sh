#!/usr/bin/env bash
# transformers 5.24.0 (gguf 0.19.0): a LLaMA's biases in a GGUF are not read, and no report of the load mentions them.
#
# Guess: from_pretrained(gguf_file=...) reads the bias tensors that the file has (a LLaMA with attention_bias or mlp_bias, or one to which
#   a pruner added biases that make up for what it removed), or names them as unexpected.
# What happens: the config is built from the metadata, which says nothing of biases, and the tensors are passed over. Missing,
#   unexpected and mismatched keys are all empty; the logits are those of the model without its biases.
#
# Seen 2026-11-29:
#   no biases: logits equal True, keys reported 0
#   attention_bias: bias tensors in the file 8, logits equal False, keys reported 0
#   mlp_bias: bias tensors in the file 6, logits equal False, keys reported 0
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0 gguf==0.19.0 accelerate==1.15.0 numpy==2.4.6
cat > show.py <<'PY'
import gguf
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

# Heads two wide: the order of q and k rows is then the same in both formats.
SIZES = dict(vocab_size=4, hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64, rms_norm_eps=1e-6, initializer_range=0.5)

def write(model):
    writer = gguf.GGUFWriter("model.gguf", "llama")
    writer.add_block_count(2), writer.add_context_length(64), writer.add_embedding_length(8), writer.add_feed_forward_length(16)
    writer.add_head_count(4), writer.add_head_count_kv(4), writer.add_rope_dimension_count(2), writer.add_vocab_size(4)
    writer.add_layer_norm_rms_eps(1e-6), writer.add_tokenizer_model("gpt2"), writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(["a", "b", "ab", "c"]), writer.add_token_types([1] * 4), writer.add_token_merges(["a b"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    for name, tensor in model.state_dict().items():
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), tensor.numpy())
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
    return sum(tensor.name.endswith(".bias") for tensor in gguf.GGUFReader("model.gguf").tensors)

ids = torch.tensor([[0, 1, 2, 3, 1]])
for words, more in [("no biases", {}), ("attention_bias", {"attention_bias": True}), ("mlp_bias", {"mlp_bias": True})]:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES, **more)).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                weight.normal_()
        count = write(model)
        found, report = AutoModelForCausalLM.from_pretrained(".", gguf_file="model.gguf", output_loading_info=True)
        equal = torch.allclose(model(ids).logits, found.eval()(ids).logits, atol=1e-4)
    inside = f"bias tensors in the file {count}, " if count else ""
    print(f"{words}: {inside}logits equal {equal}, keys reported {sum(len(keys) for keys in report.values())}")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
no biases: logits equal True, keys reported 0
attention_bias: bias tensors in the file 8, logits equal False, keys reported 0
mlp_bias: bias tensors in the file 6, logits equal False, keys reported 0
EXPECTED
