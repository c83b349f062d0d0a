"""The small random models of `../fixtures`, sliced by `dress` on every axis, in stock transformers and llama.cpp: one line each.

Each model gets a tokenizer of single characters, is pruned without training, and is compared by the loaders that are asked for:

- `transformers`: logits to 1e-3 and greedy text, no weight missing or left over (`check_stock.py`);
- `llama.cpp`: the models of `IN_LLAMA_CPP` are exported, dense and without every axis, and llama.cpp's greedy text is compared, and
  the log-probabilities behind 40 tokens, as the relative distance of all of them (to 1e-3). A shape that the export refuses is said
  with its reason;
- `gguf`: the dense models of `FROM_GGUF` are written by llama.cpp's own package (`write_gguf.py`), and what `dress` computes of that
  file is compared with what it computes of the directory.

Exits with 1 where one differs. A shape that the target refuses is said to be refused. Two models are made on the fly (`MADE`), of as
many layers as llama.cpp's pattern of them takes.

PyTorch and llama.cpp each are in a process that stays, and that is started anew where a model ends it. With `--results` every line is
kept as it is printed, and a run that finds lines of the same binary and the same loaders goes on behind them.

usage: python check_families.py [--dress target/release/dress] [--families qwen3,gemma2] [--loaders transformers,llama.cpp,gguf]
                                [--results FILE] [--table] [NAME...]
"""
import argparse
import contextlib
import hashlib
import importlib.metadata
import json
import math
import multiprocessing
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import tokenizers
from safetensors.numpy import load_file

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent / "fixtures"
FAMILIES = ("mistral", "qwen2", "qwen3", "phi3", "smollm3", "granite", "olmo2", "gemma2", "gemma3", "gpt_neox")
# With the packages that each needs.
LOADERS = {"transformers": ("torch", "transformers"), "llama.cpp": ("xllamacpp",), "gguf": ("gguf",)}
# By the family's constants in make_fixtures.py, what is otherwise.
MADE = {"gemma3_pattern_6": ("GEMMA3", dict(sliding_window_pattern=6, num_hidden_layers=7)),
        "smollm3_interval_4": ("SMOLLM3", dict(no_rope_layer_interval=4, num_hidden_layers=5))}
AXES = {"residual": 0.25, "ffn": 0.25, "heads": 0.5, "depth": 0.34, "residual,heads": 0.5, "residual,ffn,heads": 0.5,
        "residual,ffn,heads,depth": 0.5}
DENSE, FOREIGN = "dense", "dense, from llama.cpp's GGUF"
# As many tokens as their windows have, but for Gemma's, which llama.cpp has.
IN_LLAMA_CPP = ("mistral_wide_heads", "mistral_tied_linear", "qwen2_tied", "qwen3_tied", "phi3_plain", "phi3_long_rope",
                "granite_tied", "granite_plain", "granite_biases", "olmo2_plain", "gemma2_tied", "gpt_neox_parallel",
                "gpt_neox_sequential", "gpt_neox_no_biases", *MADE)
FROM_GGUF = ("qwen2_tied", "qwen3_tied", "phi3_plain", "granite_tied", "granite_biases", "olmo2_plain", "gemma2_tied", *MADE)
# Whose text is another there: the divisors for long texts count from the first token on where the context has room for one.
OTHER_TEXT = ("phi3_long_rope",)
LIMIT = 1e-3
# The token that ends a text.
END = 0
# Seconds that one comparison may take; these models take less than one.
PATIENCE = 600


class Ended(Exception):
    """What a call ended its process with."""


class Worker:
    """A process that keeps what it has imported from call to call."""

    def __init__(self):
        self.process = None

    def __call__(self, function, *arguments):
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=answer, args=(theirs,), daemon=True)
            self.process.start()
            theirs.close()
        self.pipe.send((function, arguments))
        try:
            if not self.pipe.poll(PATIENCE):
                self.process.kill()
            good, said = self.pipe.recv()
        except EOFError:
            self.process.join()
            code, self.process = self.process.exitcode, None
            raise Ended(f"the process ended with {code}") from None
        if not good:
            raise Ended(said)
        return said


def answer(pipe):
    """What a worker does until nobody asks any more."""
    with contextlib.suppress(EOFError):
        while True:
            function, arguments = pipe.recv()
            try:
                pipe.send((True, function(*arguments)))
            except Exception as error:
                pipe.send((False, f"{type(error).__name__}: {error}"))


def tokenizer(tokens):
    """Bytes that print, each a token, and one pair of them."""
    letters = ["\u0120"] + [chr(code) for code in range(33, 127)][: tokens - 3]
    texts = ["<|endoftext|>", *letters, "ab"]
    added = {"id": 0, "content": texts[0], "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": True}
    bytes_alone = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "fuse_unk": False,
             "end_of_word_suffix": None, "byte_fallback": False, "ignore_merges": False,
             "vocab": {text: id for id, text in enumerate(texts)}, "merges": [["a", "b"]]}
    return {"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "added_tokens": [added],
            "pre_tokenizer": bytes_alone, "post_processor": None, "decoder": bytes_alone, "model": model}


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    try:
        return done.returncode, json.loads(lines[-1])
    except (IndexError, ValueError):
        return done.returncode or 1, {"error": done.stderr.strip().splitlines()[-1:]}


def make_dense(name, scratch):
    import make_fixtures
    family, otherwise = MADE[name]
    with contextlib.redirect_stdout(sys.stderr):
        make_fixtures.make("dense", {**getattr(make_fixtures, family), **otherwise}, scratch)


def in_transformers(directory, reference):
    import check_stock
    check_stock.torch.set_num_threads(1)
    return check_stock.compare(directory, reference, LIMIT)


def in_llama_cpp(file, prompt, new, tokens, vocabulary):
    import check_llama_cpp
    server = check_llama_cpp.served(file)
    text = check_llama_cpp.continued(server, prompt, new)["text"]
    # The last token is the pair, and the one before it is a character.
    return text, check_llama_cpp.log_probabilities(server, tokens, vocabulary, vocabulary - 2)


def distance(found, logits):
    """Of log-probabilities by ids from those of all ids, as a share of their length."""
    logits = logits.astype(np.float64) - logits.max()
    expected = logits - math.log(np.exp(logits).sum())
    told = np.array(list(found.values()))
    return float(np.linalg.norm(told - expected[list(found)]) / np.linalg.norm(told))


class Model:
    """One model with its text in a directory of its own, and what is asked of it."""

    def __init__(self, check, name, scratch):
        self.check, self.name, self.scratch = check, name, scratch
        self.dense, self.text = scratch / "dense", scratch / "text.txt"
        if name in MADE:
            check.torch(make_dense, name, scratch)
        else:
            shutil.copytree(FIXTURES / name, self.dense)
        config = json.loads((self.dense / "config.json").read_text())
        (self.dense / "tokenizer.json").write_text(json.dumps(tokenizer(config["vocab_size"])))
        # Where no token ends a text, llama.cpp takes the twelfth, and with `ignore_eos` never draws it.
        named = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"}
        (self.dense / "tokenizer_config.json").write_text(json.dumps(named))
        draw = random.Random(name)
        self.text.write_text("".join(chr(draw.randrange(33, 120)) for _ in range(4000)))

    def without(self, axes):
        if axes == DENSE:
            return self.compared(self.dense)
        if axes == FOREIGN:
            return self.from_gguf()
        out = self.scratch / axes.replace(",", "-")
        chosen = [word for axis in axes.split(",") for word in ("--axis", axis)]
        code, said = run(self.check.dress, "prune", "--model", self.dense, "--calibration", self.text, *chosen, "--ratio",
                         AXES[axes], "--target", "transformers", "--no-regularize", "--samples", 4, "--seqlen", 24, "--out", out,
                         "--json")
        # A refusal ends with 1, and anything else is none.
        return said | {"failed": code > 1} if code else self.compared(out)

    def logits(self, model, out):
        """What `dress` computes; it raises where that fails."""
        code, said = run(self.check.dress, "logits", "--model", model, "--data", self.text, "--tokens", 40, "--max-new-tokens", 20,
                         "--out", out, "--force", "--json")
        if code:
            raise Ended(said.get("error", said))
        return load_file(out)

    def compared(self, directory):
        reference = self.scratch / f"{directory.name}.safetensors"
        tensors, said = self.logits(directory, reference), {"failed": False}
        if "transformers" in self.check.loaders:
            report, good = self.check.torch(in_transformers, directory, reference)
            said = {key: report.get(key) for key in ("max_abs_difference", "greedy_equal", "loading", "error")} | {"failed": not good}
        if "llama.cpp" in self.check.loaders and self.name in IN_LLAMA_CPP:
            said |= self.exported(directory, tensors)
        return said

    def exported(self, directory, tensors):
        file = self.scratch / f"{directory.name}.gguf"
        code, said = run(self.check.dress, "export", "--model", directory, "--out", file, "--type", "f32", "--json")
        if code:
            return {"llama_cpp": f"refused: {said.get('error')}"}
        prompt = tensors["prompt"][0].tolist()
        new = tensors["greedy"][0].tolist()[len(prompt):]
        rows = tensors["logits"].shape[2]
        try:
            text, found = self.check.llama_cpp(in_llama_cpp, file, prompt, len(new), tensors["input_ids"][0].tolist(), rows)
        except Ended as why:
            return {"llama_cpp": f"stopped: {why}"}
        # With `ignore_eos` llama.cpp never draws the token that ends a text, and `dress logits` goes on behind it.
        compared = new.index(END) if END in new else len(new)
        expected = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json")).decode(new[:compared])
        equal = text == expected if compared == len(new) else text.startswith(expected)
        return {"llama_cpp": "equal" if equal else "differs", "llama_cpp_distance": distance(found, tensors["logits"][0, -1])}

    def from_gguf(self):
        """How far what `dress` computes of a file that llama.cpp's package wrote is from what it computes of the directory."""
        import write_gguf
        file = self.scratch / "foreign.gguf"
        write_gguf.write(self.dense, file)
        expected = self.logits(self.dense, self.scratch / "dense.safetensors")
        found = self.logits(file, self.scratch / "foreign.safetensors")
        apart = float(abs(found["logits"] - expected["logits"]).max())
        same = all((found[key] == expected[key]).all() for key in ("input_ids", "greedy"))
        return {"max_abs_difference": apart, "greedy_equal": bool(same), "failed": apart > LIMIT or not same}


class Check:
    """What all models are checked with."""

    def __init__(self, dress, loaders):
        self.dress, self.loaders = dress, loaders
        self.torch, self.llama_cpp = Worker(), Worker()

    def shapes(self, name):
        foreign = [FOREIGN] if "gguf" in self.loaders and name in FROM_GGUF else []
        compared = "transformers" in self.loaders or "llama.cpp" in self.loaders and name in IN_LLAMA_CPP
        return [DENSE, *foreign, *AXES] if compared else foreign

    def lines(self, name, kept):
        """A line for every shape of a model, those that are kept as they are."""
        shapes = self.shapes(name)
        with contextlib.ExitStack() as place:
            model = None
            for axes in shapes:
                if (name, axes) in kept:
                    yield kept[name, axes], False
                    continue
                try:
                    if model is None:
                        model = Model(self, name, pathlib.Path(place.enter_context(tempfile.TemporaryDirectory())))
                    said = model.without(axes)
                except Ended as why:
                    said = {"failed": True, "error": str(why)}
                yield {"model": name, "without": axes, **said}, True


def is_wrong(line):
    far = line.get("llama_cpp_distance", 0.0) > LIMIT
    in_llama_cpp = line.get("llama_cpp", "")
    other = in_llama_cpp == "differs" and line["model"] not in OTHER_TEXT
    return bool(line.get("failed")) or far or other or in_llama_cpp.startswith("stopped")


class Results:
    """Lines in a file that begins with what they were made by, or nowhere."""

    def __init__(self, path, made_by):
        self.path, self.kept = path, {}
        if path is None:
            return
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        if lines and lines[0] != made_by:
            sys.exit(f"{path} was made by {lines[0]} and this is {made_by}; give another file")
        if not lines:
            path.write_text(json.dumps(made_by) + "\n")
        self.kept = {(line["model"], line["without"]): line for line in lines[1:]}

    def keep(self, line):
        if self.path:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")


def table(lines):
    """A row for each model, as `docs/results/parity.md` has it."""
    yield "| model | equal in transformers | largest difference | text equal in llama.cpp | largest distance | refused |"
    yield "|---|---|---|---|---|---|"
    for name in dict.fromkeys(line["model"] for line in lines):
        of_model = [line for line in lines if line["model"] == name and line["without"] != FOREIGN]
        stock = [line for line in of_model if "max_abs_difference" in line]
        exported = [line for line in of_model if "llama_cpp" in line]
        cpp = [line for line in exported if not line["llama_cpp"].startswith("refused")]
        greatest = [max((line[key] for line in found if line.get(key) is not None), default=None)
                    for found, key in ((stock, "max_abs_difference"), (cpp, "llama_cpp_distance"))]
        figures = ["" if figure is None else f"{figure:.1e}" for figure in greatest]
        equal = sum(not line["failed"] for line in stock)
        same = sum(line["llama_cpp"] == "equal" for line in cpp)
        refused = [sum(bool(line.get("error")) for line in of_model), len(exported) - len(cpp)]
        yield (f"| `{name}` | {equal} of {len(stock)} | {figures[0]} | {f'{same} of {len(cpp)}' if cpp else ''} | {figures[1]} | "
               f"{' + '.join(map(str, refused))} |")


def chosen(text, known, what):
    """Words between commas that are all known."""
    words = text.split(",") if text else list(known)
    unknown = [word for word in words if word not in known]
    if unknown:
        sys.exit(f"{what} {unknown[0]} is none of {', '.join(known)}")
    return words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dress", default="target/release/dress")
    parser.add_argument("--families", help="with commas between them; all without it")
    parser.add_argument("--loaders", help="with commas between them; all without it")
    parser.add_argument("--results", type=pathlib.Path, help="where lines are kept, and gone on from")
    parser.add_argument("--table", action="store_true", help="print a table of all at the end")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    families, loaders = chosen(args.families, FAMILIES, "the family"), chosen(args.loaders, LOADERS, "the loader")
    fixtures = [path.name for path in sorted(FIXTURES.iterdir()) if path.is_dir() and path.name.startswith(FAMILIES)]
    names = args.names or [name for name in (*fixtures, *MADE) if name.startswith(tuple(families))]
    versions = {name: importlib.metadata.version(name) for loader in loaders for name in LOADERS[loader]}
    made_by = {"dress": hashlib.sha256(pathlib.Path(args.dress).read_bytes()).hexdigest(), "loaders": sorted(loaders), **versions}
    results, check, lines = Results(args.results, made_by), Check(args.dress, loaders), []
    for name in names:
        for line, is_new in check.lines(name, results.kept):
            if is_new:
                results.keep(line)
                print(json.dumps(line), flush=True)
            lines.append(line)
    if args.table:
        print("\n".join(table(lines)))
    sys.exit(any(is_wrong(line) for line in lines))


if __name__ == "__main__":
    main()
