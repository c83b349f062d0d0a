#!/usr/bin/env bash
# lm_eval 0.4.11: the task copa asks for each choice behind two blanks.
#
# Guess: "because" and the choice have one blank between them, as in other tasks.
# What happens: doc_to_choice puts a blank in front of each choice, and the default target_delimiter is another one, so that what
#   is scored is "  it was old." A tokenizer of words with their blanks then sees a lone blank and a word without one, and a
#   harness that writes the sentence as it is meant gets other scores. That there are two is only logged at a level that is not shown.
#
# Seen 2026-11-29:
#   context: 'The lamp went out because'
#   scored: '  it was old.'
#   scored: '  he slept.'
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet lm_eval==0.4.11 datasets==5.2.0
cat > row.jsonl <<'ROWS'
{"premise": "The lamp went out.", "choice1": "It was old.", "choice2": "He slept.", "question": "cause", "idx": 0, "label": 0}
ROWS
cat > show.py <<'PY'
import logging
logging.disable(logging.CRITICAL)
from lm_eval import utils
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

config = utils.load_yaml_config(TaskManager().task_index["copa"]["yaml_path"])
rows = {"data_files": {"train": "row.jsonl", "validation": "row.jsonl"}}
task = ConfigurableTask(config={**config, "dataset_path": "json", "dataset_name": None, "dataset_kwargs": rows})
row = task.dataset["validation"][0]
context = task.doc_to_text(row)
print("context:", repr(context))
for request in task.construct_requests(doc=row, ctx=context):
    print("scored:", repr(request.arguments[1]))
PY
HF_HOME=$work/hub HF_HUB_OFFLINE=1 venv/bin/python show.py 2>/dev/null | tee output
diff output - <<'EXPECTED'
context: 'The lamp went out because'
scored: '  it was old.'
scored: '  he slept.'
EXPECTED
