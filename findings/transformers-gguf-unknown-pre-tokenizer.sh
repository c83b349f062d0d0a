#!/usr/bin/env bash
# transformers 5.24.0 (gguf 0.19.0): of the names in tokenizer.ggml.pre a few are known, and the rest are read as GPT-2's without a word.
#
# Guess: AutoTokenizer.from_pretrained(gguf_file=...) follows tokenizer.ggml.pre, or says that it does not know the name: the
#   key exists since a wrong split of words gives other ids. "smollm", SmolLM's and SmolLM2's, is one of llama.cpp's own list.
# What happens: llama-bpe and qwen2 get their patterns. smollm, which has every digit as a token of its own, gets the split of
#   GPT-2, which keeps digits together; a made-up name and no name at all do the same.
#
# Seen 2026-11-29:
#   qwen2: ['1', '2', '3', '4']
#   llama-bpe: ['123', '4']
#   gpt-2: ['1234']
#   smollm: ['1234']
#   no-such-name: ['1234']
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet transformers==5.24.0 torch==2.15.0 gguf==0.19.0 accelerate==1.15.0 numpy==2.4.6
cat > show.py <<'PY'
import gguf
import numpy as np
from transformers import AutoTokenizer

tokens = ["<s>", "1", "2", "3", "4", "12", "123", "1234"]
for name in ["qwen2", "llama-bpe", "gpt-2", "smollm", "no-such-name"]:
    writer = gguf.GGUFWriter("model.gguf", "llama")
    writer.add_block_count(1), writer.add_embedding_length(8), writer.add_head_count(1)
    writer.add_tokenizer_model("gpt2"), writer.add_tokenizer_pre(name)
    writer.add_token_list(tokens), writer.add_token_types([3] + [1] * 7), writer.add_token_merges(["1 2", "12 3", "123 4"])
    writer.add_bos_token_id(0), writer.add_eos_token_id(0)
    writer.add_tensor("token_embd.weight", np.zeros((len(tokens), 8), dtype=np.float32))
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
    print(f'{name}: {AutoTokenizer.from_pretrained(".", gguf_file="model.gguf").tokenize("1234")}')
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
qwen2: ['1', '2', '3', '4']
llama-bpe: ['123', '4']
gpt-2: ['1234']
smollm: ['1234']
no-such-name: ['1234']
EXPECTED
