"""Runs checkpoints in one engine, in the environment that has it: a job a line on standard input, a result a line.

A job has `directory`, `prompt` (ids), `text` (the prompt as text) and `new` (tokens to add greedily), and may have `gguf`
or `nas` (the checkpoint in another form). A result is what was added, as `ids` or as `text`, or an `error`.

usage: python engines.py ENGINE < JOBS
"""
import importlib.metadata
import json
import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).parent


def in_transformers(job):
    import torch
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(job["directory"], dtype=torch.float32).eval()
    prompt = torch.tensor([job["prompt"]])
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=job["new"],
                         eos_token_id=None, pad_token_id=0)
    return {"ids": out[0, len(job["prompt"]):].tolist()}


def in_vllm(job):
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    from vllm import LLM, SamplingParams
    llm = LLM(model=job["directory"], dtype="float32", enforce_eager=True, max_model_len=256, skip_tokenizer_init=True)
    params = SamplingParams(temperature=0.0, max_tokens=job["new"], ignore_eos=True, detokenize=False)
    out = llm.generate([{"prompt_token_ids": job["prompt"]}], params, use_tqdm=False)
    return {"ids": list(out[0].outputs[0].token_ids)}


def in_mlx(job):
    import mlx.core as mx
    from mlx_lm.generate import generate_step
    from mlx_lm.utils import load_model
    model = load_model(pathlib.Path(job.get("nas", job["directory"])))[0]
    steps = generate_step(mx.array(job["prompt"]), model, max_tokens=job["new"])
    return {"ids": [int(token) for token, _ in steps]}


def in_llama_cpp(job):
    sys.path.insert(0, str(HERE.parents[1].parent / "dress-models" / "tests" / "parity"))
    import check_llama_cpp
    if "gguf" in job:
        return {"text": check_llama_cpp.greedy(job["gguf"], job["prompt"], job["new"])}
    # What `dress export` refuses is written as llama.cpp's converter would write it.
    directory = pathlib.Path(job["directory"])
    family = json.loads((directory / "config.json").read_text())["model_type"]
    if family not in ("llama", "phi"):
        import gguf
        raise ValueError(f"no architecture {family} among {len(gguf.MODEL_ARCH_NAMES)}")
    with tempfile.TemporaryDirectory() as work:
        path = pathlib.Path(work) / "model.gguf"
        check_llama_cpp.write(directory, path, "gpt-2")
        return {"text": check_llama_cpp.greedy(path, job["prompt"], job["new"])}


def in_ctranslate2(job):
    import ctranslate2
    from ctranslate2.converters import TransformersConverter
    with tempfile.TemporaryDirectory() as work:
        out = pathlib.Path(work) / "model"
        TransformersConverter(job["directory"]).convert(str(out))
        tokens = json.loads((out / "vocabulary.json").read_text())
        generator = ctranslate2.Generator(str(out), device="cpu")
        done = generator.generate_batch([[tokens[id] for id in job["prompt"]]], max_length=job["new"], sampling_topk=1,
                                        include_prompt_in_result=False)
        return {"ids": done[0].sequences_ids[0]}


def in_mistral_rs(job):
    import mistralrs
    family = json.loads((pathlib.Path(job["directory"]) / "config.json").read_text())["model_type"]
    architecture = {"llama": "Llama", "phi": "Phi2"}.get(family)
    if architecture is None:
        raise ValueError(f"no architecture {family}")
    which = mistralrs.Which.Plain(model_id=job["directory"], arch=getattr(mistralrs.Architecture, architecture),
                                  dtype=mistralrs.ModelDType.F32)
    runner = mistralrs.Runner(which=which)
    request = mistralrs.CompletionRequest(model="default", prompt=job["text"], max_tokens=job["new"], temperature=0.0)
    return {"text": runner.send_completion_request(request).choices[0].text}


def in_keras_hub(job):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras_hub
    import numpy
    model = keras_hub.models.CausalLM.from_preset(job["directory"], preprocessor=None, dtype="float32")
    model.compile(sampler="greedy")
    length = len(job["prompt"]) + job["new"]
    ids, mask = numpy.zeros((1, length), "int32"), numpy.zeros((1, length), "bool")
    ids[0, :len(job["prompt"])], mask[0, :len(job["prompt"])] = job["prompt"], True
    out = model.generate({"token_ids": ids, "padding_mask": mask}, stop_token_ids=None)
    return {"ids": numpy.asarray(out["token_ids"])[0, len(job["prompt"]):].tolist()}


ENGINES = {
    "transformers": (in_transformers, ["transformers", "torch"]),
    "vllm": (in_vllm, ["vllm-cpu"]),
    "mlx": (in_mlx, ["mlx-lm", "mlx"]),
    "llama.cpp": (in_llama_cpp, ["xllamacpp"]),
    "ctranslate2": (in_ctranslate2, ["ctranslate2"]),
    "mistral.rs": (in_mistral_rs, ["mistralrs"]),
    "keras-hub": (in_keras_hub, ["keras-hub", "keras"]),
}


def said(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def main():
    run, packages = ENGINES[sys.argv[1]]
    print("VERSIONS", json.dumps({name: importlib.metadata.version(name) for name in packages}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            result = run(job)
        except BaseException as error:  # A Rust panic is no Exception.
            result = {"error": said(error)}
        print("RESULT", json.dumps({"case": job["case"], **result}), flush=True)


if __name__ == "__main__":
    main()
