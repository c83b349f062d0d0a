"""The list that the modules of oddities fill: what a case is called, which families it has, and what it changes."""
import dataclasses
import re
import typing

ALL = "llama opt phi"
ROTARY = "llama phi"


@dataclasses.dataclass
class Case:
    """An oddity of one family. `says` is a word that our refusal has to have, where we refuse; one that is `common` has to be read.
    `means` is another case of the family whose meaning it has, where stock fails by a fault of its own; None is the plain one."""
    name: str
    family: str
    kind: str
    acts: list[typing.Callable]
    says: str | None = None
    means: str | None = None

    @property
    def common(self):
        # No published Phi has a tied head, so that refusing one is no loss.
        if self.family == "phi" and ("/tied-" in self.name or self.name.endswith("shared-head")):
            return False
        return any(re.fullmatch(pattern, self.name.split("/", 1)[1]) for pattern in COMMON)


CASES = []
# What published checkpoints and their tools' output look like: where stock reads it, so do we. A byte-level vocab.json under LLaMA's
# class is none: stock takes its words apart at SentencePiece's marks, which it does not have, and gives two ids for any text.
COMMON = (r"tying/(tied|unsaid)-(sharded-|bin-)?head-(none|equal|different|alone|bf16)", r"tying/untied-head-(equal|different)",
          r"sets/(safetensors|bin)-beside-.*", r"shards/(two|one|many|bin|no-metadata|lists-.*|holds-.*)", r"harmless/.*",
          r"extra/(layer-self_attn\.(rotary_emb\..*|masked_bias|bias)|.*decoder\.version|model\.rotary_emb\.inv_freq|score\.weight|v_head.*)",
          r"tokens/(plain|added-json.*|decoder-.*|template-.*|metaspace.*|vocab-merges(?!-Llama).*|special-map.*|class-(None|GPT2|Llama|PreTrained).*)",
          r"pickle/(plain|old-format|shared-head|bfloat16)", r"type/(float16|bfloat16|norms-float32|config-says-other)")


def add(kind, families, name, *acts, says=None, means=None):
    for family in families.split():
        meant = means and f"{family}/{kind}/{means}"
        CASES.append(Case(f"{family}/{kind}/{name}", family, kind, list(acts), says, meant))


def config(**values):
    """Sets keys of the configuration after the tensors were drawn for the configuration as it was."""
    def act(checkpoint):
        checkpoint.draw()
        checkpoint.config.update(values)
    return act


def shape(**values):
    """Sets keys of the configuration before the tensors are drawn, so that they fit it."""
    def act(checkpoint):
        assert checkpoint.tensors is None, "shape() has to come first"
        checkpoint.config.update(values)
    return act


def without(*keys):
    def act(checkpoint):
        checkpoint.draw()
        for key in keys:
            checkpoint.config.pop(key, None)
    return act


def act_on_tensors(change):
    """`change` gets the dictionary of tensors and the checkpoint; what it returns, if anything, takes its place."""
    def act(checkpoint):
        checkpoint.tensors = change(checkpoint.draw(), checkpoint) or checkpoint.tensors
    return act


def layout(write, **options):
    def act(checkpoint):
        checkpoint.layout = lambda *args: write(*args, **options)
    return act


def file(name, content):
    """Puts a file beside the others; `content` may be a function of the checkpoint."""
    def act(checkpoint):
        checkpoint.draw()
        checkpoint.files[name] = content(checkpoint) if callable(content) else content
    return act
