"""Runs lm_eval (Hugging Face backend, CPU, f32) and `dress eval` on the same task files and prints the difference of every
request's log-likelihood, or whether both wrote the same text, and of every metric. Nothing is downloaded: lm_eval's own yaml
is used, its data set replaced by the local file.

usage: python lm_eval_parity.py DIR --dress target/release/dress --task-data FOLDER [--tasks piqa,...] [--limit 20]
                                [--fewshot 0] [--batch-size 16] [--dtype float64] [--verbose]

needs: pip install torch transformers "lm_eval[hf]"
"""
import argparse
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

import lm_eval
import torch
import transformers
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml
from transformers import AutoModelForCausalLM

from stock_tokenizer import tokenizer_of

# lm_eval's yaml, the split it evaluates, and the names of the local files for that split and for examples.
TASKS = {
    "piqa": ("piqa/piqa.yaml", "validation", ["piqa_val.jsonl"], ["piqa_train.jsonl"]),
    "hellaswag": ("hellaswag/hellaswag.yaml", "validation", ["hellaswag_val.jsonl"], ["hellaswag_train.jsonl"]),
    "winogrande": ("winogrande/default.yaml", "validation", ["winogrande_xl_val.jsonl"], ["winogrande_xl_train.jsonl"]),
    "arc_easy": ("arc/arc_easy.yaml", "test", ["arc_easy_test.jsonl"], ["arc_easy_train.jsonl"]),
    "arc_challenge": ("arc/arc_challenge.yaml", "test", ["arc_challenge_test.jsonl"], ["arc_challenge_train.jsonl"]),
    "boolq": ("super_glue/boolq/default.yaml", "validation", ["boolq_val.jsonl"], ["boolq_train.jsonl"]),
    "openbookqa": ("openbookqa/openbookqa.yaml", "test", ["openbookqa_test.jsonl", "openbookqa_val.jsonl"],
                   ["openbookqa_train.jsonl"]),
    "copa": ("super_glue/copa/default.yaml", "validation", ["copa_val.jsonl"], ["copa_train.jsonl"]),
    "sciq": ("sciq/sciq.yaml", "test", ["sciq_test.jsonl", "sciq_val.jsonl"], ["sciq_train.jsonl"]),
    "lambada_openai": ("lambada/lambada_openai.yaml", "test", ["lambada_openai.jsonl"], []),
    "triviaqa": ("triviaqa/default.yaml", "validation", ["triviaqa_val.jsonl"], ["triviaqa_train.jsonl"]),
}


def first(folder, names):
    return next((folder / name for name in names if (folder / name).is_file()), None)


def hub_row(task, row):
    """The row in the schema that lm_eval's yaml expects, where the authors' is another."""
    if task == "boolq" and "label" not in row:
        row = dict(row, label=int(row["answer"]))
    if task == "lambada_openai" and "text" not in row:
        text = row["context"] + " " + row["continuation"]
        assert text.split(" ")[-1] == row["continuation"], row
        row = {"text": text}
    return row


def config(task, folder, copies, fewshot, limit):
    """lm_eval's own configuration with local files instead of its data set."""
    yaml, split, data, examples = TASKS[task]
    loaded = load_yaml(pathlib.Path(lm_eval.__file__).parent / "tasks" / yaml)
    files = {split: first(folder, data)}
    if files[split] is None:
        return None
    pool = first(folder, examples)
    loaded["training_split"] = "train" if pool and fewshot else None
    if pool and fewshot:
        files["train"] = pool
    for other in ("validation", "test"):
        if loaded.get(f"{other}_split") and other not in files:
            loaded[f"{other}_split"] = None
    for name, path in files.items():
        copy = copies / f"{task}-{name}.jsonl"
        with open(path, encoding="utf-8") as rows, open(copy, "w", encoding="utf-8") as out:
            # Examples are drawn from all rows.
            for line in itertools.islice(rows, None if fewshot else limit):
                if line.strip():
                    out.write(json.dumps(hub_row(task, json.loads(line))) + "\n")
        files[name] = str(copy)
    loaded.update(task=f"local_{task}", dataset_path="json", dataset_name=None, dataset_kwargs={"data_files": files})
    loaded.pop("tag", None)
    return loaded


def run_lm_eval(args, names, folder, copies):
    model = AutoModelForCausalLM.from_pretrained(args.directory, dtype=getattr(torch, args.dtype)).eval()
    lm = HFLM(pretrained=model, tokenizer=tokenizer_of(args.directory), batch_size=args.batch_size, device="cpu")
    for name in names:
        loaded = config(name, folder, copies, args.fewshot, args.limit)
        began = time.time()
        calls = []
        original = lm._loglikelihood_tokens

        def timed(requests, **kwargs):
            start = time.time()
            answer = original(requests, **kwargs)
            calls.append((len(requests), time.time() - start))
            return answer

        def timed_texts(requests, **kwargs):
            start = time.time()
            answer = texts(requests, **kwargs)
            calls.append((len(requests), time.time() - start))
            return answer

        texts = lm.generate_until
        lm._loglikelihood_tokens, lm.generate_until = timed, timed_texts
        results = lm_eval.simple_evaluate(model=lm, tasks=[loaded], num_fewshot=args.fewshot, limit=args.limit,
                                          bootstrap_iters=0 if name == "lambada_openai" else 1, log_samples=True,
                                          verbosity="ERROR")
        lm._loglikelihood_tokens, lm.generate_until = original, texts
        took = (sum(n for n, _ in calls), sum(s for _, s in calls))
        print(f"lm_eval {name}: {time.time() - began:.1f} s", file=sys.stderr)
        yield name, results["results"][f"local_{name}"], results["samples"][f"local_{name}"], took


def run_dress(args, names, folder, copies):
    requests = copies / "requests.jsonl"
    command = [args.dress, "eval", "--model", str(args.directory), "--tasks", ",".join(names), "--task-data", str(folder),
               "--fewshot", str(args.fewshot), "--requests", str(requests), "--json"]
    if args.limit:
        command += ["--limit", str(args.limit)]
    if args.batch_tokens:
        command += ["--batch-tokens", str(args.batch_tokens)]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    said = {}
    for line in open(requests, encoding="utf-8"):
        row = json.loads(line)
        said[row["task"], row["row"], row["request"]] = row
    return {task["task"]: task for task in report["tasks"]}, said


def metrics_differ(name, result, metrics):
    """Prints one task's metrics on both sides; whether they differ."""
    equal = True
    for value in result["metrics"]:
        metric = value["metric"]
        # The name of a metric is followed by that of its filter.
        there = next(v for k, v in metrics.items() if k.split(",")[0] == metric)
        error = next((v for k, v in metrics.items() if k.split(",")[0] == f"{metric}_stderr"), None)
        close = abs(value["value"] - there) <= (1e-9 if metric != "perplexity" else 1e-3 * there)
        if value["standard_error"] is not None and isinstance(error, float):
            close &= abs(value["standard_error"] - error) <= 1e-9
        equal &= close
        print(f"  {name} {metric}: {value['value']:.6f} ± {value['standard_error']} | lm_eval {there:.6f} ± {error}")
    return not equal


def texts_differ(args, name, result, said, metrics, samples, took):
    """As `differs`, of a task whose answers the model writes."""
    same = 0
    for sample in samples:
        mine = said[name, sample["doc_id"], 0]
        here = (mine["context"], mine["generated"])
        there = (sample["arguments"][0][0], sample["resps"][0][0])
        same += here == there
        if args.verbose or here != there:
            print(f"  {name} row {sample['doc_id']}{'' if here == there else ' DIFFERS'}\n    here    {here!r}\n    lm_eval {there!r}")
    equal = not metrics_differ(name, result, metrics)
    print(f"{name:16} {len(samples):8} {same:9} {'':11} {'':11} {'':6} {'equal' if equal else 'DIFFER':>8}  "
          f"{result['requests_per_second']:.2f}, {took[0] / took[1]:.2f}", flush=True)
    return same != len(samples) or not equal


def differs(args, name, result, said, metrics, samples, took):
    """Prints one task's differences; whether there are any that matter."""
    if "generated" in said[name, samples[0]["doc_id"], 0]:
        return texts_differ(args, name, result, said, metrics, samples, took)
    diffs, texts, greedy = [], 0, 0
    for sample in samples:
        for request, (arguments, answer) in enumerate(zip(sample["arguments"], sample["filtered_resps"])):
            mine = said[name, sample["doc_id"], request]
            diff = mine["log_likelihood"] - float(answer[0])
            same = (mine["context"], mine["continuation"]) == tuple(arguments)
            diffs.append(abs(diff))
            texts += same
            greedy += mine["is_greedy"] == bool(answer[1])
            if args.verbose or not same:
                print(f"  {name} row {sample['doc_id']} request {request}: {mine['log_likelihood']:.6f} "
                      f"{float(answer[0]):.6f} {diff:+.2e}{'' if same else ' TEXTS DIFFER'}")
            if not same:
                print(f"    here    {(mine['context'], mine['continuation'])!r}\n    lm_eval {tuple(arguments)!r}")
    equal = not metrics_differ(name, result, metrics)
    worst = max(diffs)
    print(f"{name:16} {len(diffs):8} {texts:9} {worst:11.2e} {sum(diffs) / len(diffs):11.2e} {greedy:6} "
          f"{'equal' if equal else 'DIFFER':>8}  {result['requests_per_second']:.2f}, {took[0] / took[1]:.2f}", flush=True)
    return worst > args.tolerance or texts != len(diffs) or not equal or greedy != len(diffs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--dress", required=True)
    parser.add_argument("--task-data", required=True, type=pathlib.Path)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--fewshot", type=int, default=0)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--batch-tokens", type=int)
    parser.add_argument("--dtype", default="float32", help="lm_eval's: float64 shows whose rounding a difference is")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--verbose", action="store_true", help="print every request")
    args = parser.parse_args()
    names = [name for name in args.tasks.split(",") if first(args.task_data, TASKS[name][2])]
    bad = 0
    print(f"{args.directory.name}, lm_eval {lm_eval.__version__}, torch {torch.__version__}, "
          f"transformers {transformers.__version__}, {torch.get_num_threads()} threads, {args.fewshot}-shot")
    print(f"{'task':16} {'requests':>8} {'same text':>9} {'max |diff|':>11} {'mean |diff|':>11} {'greedy':>6} "
          f"{'metrics':>8}  requests/s here, lm_eval", flush=True)
    with tempfile.TemporaryDirectory() as copies:
        copies = pathlib.Path(copies)
        results, said = run_dress(args, names, args.task_data, copies)
        for name, metrics, samples, took in run_lm_eval(args, names, args.task_data, copies):
            bad += differs(args, name, results[name], said, metrics, samples, took)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
