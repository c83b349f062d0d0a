#!/usr/bin/env bash
# prunetokens 0.1.4 (transformers 5.24.0, tokenizers 0.23.3): after a vocabulary was cut, two files still have the old ids.
#
# Guess: prunetokens writes a directory in which rows of the embedding, tokenizer and configs were renumbered alike; it does so for the ids
#   in config.json, also where eos_token_id is a list.
# What happens: generation_config.json is copied as it was, and it is the one that generate() obeys: the end of a text has another id
#   there than in config.json, so that generation runs on. In tokenizer.json the template that puts <s> in front keeps
#   its id as well, which is a row that is no longer there.
#
# Seen 2026-11-29:
#   before: 6 rows, </s> is 5, config 5, generation_config 5, "ab" is [4, 0, 1]
#   after: 4 rows, </s> is 3, config 3, generation_config 5, "ab" is [4, 0, 1]
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet prunetokens==0.1.4 transformers==5.24.0 tokenizers==0.23.3 torch==2.15.0 safetensors==0.8.0 numpy==2.4.6
cat > show.py <<'PY'
import subprocess, sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

vocabulary = {"a": 0, "b": 1, "Ñģ": 2, "Ðµ": 3, "<s>": 4, "</s>": 5}
tokenizer = Tokenizer(models.BPE(vocabulary, []))
tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 4)])
PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained("model")
sizes = dict(vocab_size=6, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
LlamaForCausalLM(LlamaConfig(**sizes, bos_token_id=4, eos_token_id=5, tie_word_embeddings=True)).save_pretrained("model")

def show(words, path):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)
    print(f"{words}: {model.get_input_embeddings().weight.shape[0]} rows, </s> is {tokenizer.convert_tokens_to_ids('</s>')},",
          f"config {model.config.eos_token_id}, generation_config {model.generation_config.eos_token_id},",
          f'"ab" is {tokenizer("ab").input_ids}')

show("before", "model")
subprocess.run([sys.executable, "-c", "import prunetokens; prunetokens.main()", "model"], check=True, stdout=subprocess.DEVNULL)
show("after", "model_pruned")
PY
venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
before: 6 rows, </s> is 5, config 5, generation_config 5, "ab" is [4, 0, 1]
after: 4 rows, </s> is 3, config 3, generation_config 5, "ab" is [4, 0, 1]
EXPECTED
