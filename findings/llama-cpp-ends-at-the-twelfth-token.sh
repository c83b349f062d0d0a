#!/usr/bin/env bash
# llama.cpp (xllamacpp 2026.10.11549): a byte-level vocabulary whose GGUF file names no token that ends a text ends at token 11.
#
# Guess: a file without tokenizer.ggml.eos_token_id has no token that ends a text, so that llama.cpp goes on to the number of tokens that
#   was asked for, and ignore_eos changes nothing.
# What happens: tokenizers of the kind gpt2 begin with 11 as BOS and EOS (Falcon's), and what the file does not say stays so, without a word
#   but in the log ("special_eos_id is not in special_eog_ids"). Whatever token 11 is ends a text, and with ignore_eos it is never drawn:
#   greedy text is another than that of the same weights elsewhere from there on.
#
# Seen 2026-11-30 (a model that draws the letter behind the last one, or else the one after that; after hi):
#   no end named: jkl (stop); with ignore_eos: jkmnop (length)
#   end named, token 0: jklmno (length); with ignore_eos: jklmno (length)
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet gguf==0.19.0 numpy==2.4.6 xllamacpp==2026.10.11549
cat > show.py <<'PY'
import json
import gguf
import numpy as np
import xllamacpp

WIDTH = TOKENS = 32

def write(end):
    """Every part but embedding and head adds nothing, and the head draws the token behind, or else the one after that."""
    writer = gguf.GGUFWriter("model.gguf", "llama")
    for add, number in [(writer.add_context_length, 64), (writer.add_embedding_length, WIDTH), (writer.add_block_count, 1),
                        (writer.add_feed_forward_length, WIDTH), (writer.add_head_count, 2), (writer.add_head_count_kv, 2),
                        (writer.add_rope_dimension_count, WIDTH // 2), (writer.add_vocab_size, TOKENS)]:
        add(number)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([chr(97 + id) if id < 26 else chr(39 + id) for id in range(TOKENS)])
    writer.add_token_types([1] * TOKENS)
    writer.add_token_merges(["a b"])
    writer.add_add_bos_token(False)
    if end is not None:
        writer.add_eos_token_id(end)
    writer.add_tensor("token_embd.weight", np.eye(TOKENS, dtype=np.float32))
    behind = [np.roll(np.eye(TOKENS, dtype=np.float32), steps, 0) for steps in (1, 2)]
    writer.add_tensor("output.weight", 20 * behind[0] + 10 * behind[1])
    for norm in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{norm}.weight", np.ones(WIDTH, np.float32))
    for part in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{part}.weight", np.zeros((WIDTH, WIDTH), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

def continued(ignore):
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.warmup, params.cpuparams.n_threads = "model.gguf", 64, False, 1
    server = xllamacpp.Server(params)
    answer = server.handle_completions({"prompt": [7, 8], "n_predict": 6, "temperature": 0.0, "ignore_eos": ignore})
    choice = (json.loads(answer) if isinstance(answer, str) else answer)["choices"][0]
    return f"{choice['text']} ({choice['finish_reason']})"

for words, end in {"no end named": None, "end named, token 0": 0}.items():
    write(end)
    print(f"{words}: {continued(False)}; with ignore_eos: {continued(True)}", flush=True)
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
no end named: jkl (stop); with ignore_eos: jkmnop (length)
end named, token 0: jklmno (length); with ignore_eos: jklmno (length)
EXPECTED
