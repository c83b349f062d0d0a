#!/usr/bin/env bash
# gguf 0.19.0: GGUFWriter drops a key whose value is an empty array.
#
# Guess: add_array("...", []) writes an array of no elements, which the format can express, or raises.
# What happens: the key is left out without a word. A BPE vocabulary cut down to single bytes has no merges left, and its
#   tokenizer.ggml.merges, which add_token_merges([]) was to write, is missing from the file for readers that ask for it by name.
#   An empty list within a list does raise.
#
# Seen 2026-11-29:
#   one merge: ['a b']
#   no merges: key missing
#   an array with an empty array in it: ValueError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet gguf==0.19.0 numpy==2.4.6
cat > show.py <<'PY'
import gguf

def show(words, add, key):
    writer = gguf.GGUFWriter("model.gguf", "llama")
    add(writer)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        field = gguf.GGUFReader("model.gguf").get_field(key)
        print(f"{words}: {field.contents() if field else 'key missing'}")
    except Exception as error:
        print(f"{words}: {type(error).__name__}")

merges = "tokenizer.ggml.merges"
show("one merge", lambda writer: writer.add_token_merges(["a b"]), merges)
show("no merges", lambda writer: writer.add_token_merges([]), merges)
show("an array with an empty array in it", lambda writer: writer.add_array("lists", [[], [1]]), "lists")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
one merge: ['a b']
no merges: key missing
an array with an empty array in it: ValueError
EXPECTED
