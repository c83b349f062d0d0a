//! Which shapes of a family an engine loads.

use crate::{ModelShape, NamePattern, Verdict};
use serde::{Deserialize, Serialize};

/// What the width of the residual stream has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WidthRule {
    /// Anything: the width of a head is read.
    #[default]
    Any,
    /// A multiple of the query heads.
    MultipleOfHeads,
    /// The query heads times the width of a head.
    Heads,
}

/// What an engine does with one family.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// What the width has to be.
    #[serde(default)]
    pub width: WidthRule,
    /// What it does where the width is something else.
    #[serde(default)]
    pub otherwise: String,
    /// What it does instead where no query heads share a key/value head, if that is another thing than to
    /// refuse.
    pub otherwise_without_groups: Option<Fault>,
    /// Why it refuses every model of the family.
    pub refuses: Option<String>,
    /// How every model of the family comes out wrong without a word.
    pub wrong: Option<String>,
    /// Parameters that it leaves out without a word.
    #[serde(default)]
    pub drops: Vec<NamePattern>,
    /// What it does where rotary settings are in `rope_parameters` alone, if it does not read them there.
    pub rope_parameters_alone: Option<Fault>,
    /// What it takes where layers differ; without it, they have to be alike.
    pub layers: Option<DifferingLayers>,
    /// Whether nobody tried it.
    #[serde(default)]
    pub untried: bool,
}

/// What an engine does with a model that it does not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// It refuses it, and why.
    Refuses(String),
    /// It computes something else without a word, and what.
    Wrong(String),
}

impl Fault {
    fn verdict(&self) -> Verdict {
        match self {
            Fault::Refuses(why) => Verdict::refused(why),
            Fault::Wrong(why) => Verdict::Wrong { why: why.clone() },
        }
    }
}

/// Which layers of different sizes an engine takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DifferingLayers {
    /// The form that the checkpoint has to be written in for it.
    pub form: String,
    /// Of what the neurons of every layer have to be a multiple.
    #[serde(default = "one")]
    pub neurons: usize,
    /// Whether the query heads may differ.
    #[serde(default)]
    pub query_heads: QueryHeads,
    /// What the width has to be.
    #[serde(default)]
    pub width: WidthRule,
}

/// Whether the query heads of layers may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueryHeads {
    /// They may.
    #[default]
    Any,
    /// All layers have the same number.
    Alike,
}

fn one() -> usize {
    1
}

impl WidthRule {
    /// Whether the width of a shape is what it has to be.
    fn holds(self, shape: &ModelShape) -> bool {
        let (Some(width), Some(head_dim)) = (shape.width(), shape.head_dim()) else { return true };
        let heads = shape.most_query_heads();
        match self {
            WidthRule::Any => true,
            WidthRule::MultipleOfHeads => width.is_multiple_of(heads),
            WidthRule::Heads => width == heads * head_dim,
        }
    }

    /// A width that breaks the rule.
    fn broken(self, shape: &ModelShape) -> String {
        let (width, heads) = (shape.width().unwrap_or(0), shape.most_query_heads());
        match self {
            WidthRule::Heads => {
                let head_dim = shape.head_dim().unwrap_or(0);
                format!("a width of {width} is not {heads} query heads of {head_dim}")
            }
            _ => format!("a width of {width} is not a multiple of {heads} query heads"),
        }
    }
}

impl Architecture {
    /// What becomes of a shape, whatever its rows. What is refused comes before what comes out wrong.
    pub(crate) fn verdict(&self, shape: &ModelShape) -> Verdict {
        if let Some(why) = &self.refuses {
            return Verdict::refused(why);
        }
        if !self.width.holds(shape) {
            let without_groups =
                self.otherwise_without_groups.as_ref().filter(|_| shape.query_heads_a_group() == 1);
            if let Some(fault) = without_groups {
                return fault.verdict();
            }
            let (broken, otherwise) = (self.width.broken(shape), &self.otherwise);
            return Verdict::refused(&if otherwise.is_empty() {
                broken
            } else {
                format!("{broken}: {otherwise}")
            });
        }
        let of_layers = if shape.layers_are_alike() { Verdict::Loads } else { self.differing(shape) };
        if !self.untried && !of_layers.is_right() {
            return of_layers;
        }
        let alone = self.rope_parameters_alone.as_ref().filter(|_| shape.has_rope_parameters_alone());
        let fault = alone.map(Fault::verdict).or_else(|| self.wrong(shape));
        fault.unwrap_or(if self.untried { Verdict::Untried } else { of_layers })
    }

    /// How a model comes out wrong, if it does.
    fn wrong(&self, shape: &ModelShape) -> Option<Verdict> {
        let dropped = |name: &&str| self.drops.iter().any(|pattern| pattern.matches(name));
        let dropped = || {
            let name = shape.names().find(dropped)?;
            Some(format!("leaves out {name} and its like without a word"))
        };
        self.wrong.clone().or_else(dropped).map(|why| Verdict::Wrong { why })
    }

    fn differing(&self, shape: &ModelShape) -> Verdict {
        let Some(rules) = &self.layers else {
            return Verdict::refused("layers differ, and it has one number for all of them");
        };
        let needs = |what: &str| Verdict::refused(&format!("layers differ, and as {} {what}", rules.form));
        if !rules.width.holds(shape) {
            return needs(&format!("it would need another width: {}", rules.width.broken(shape)));
        }
        if rules.query_heads == QueryHeads::Alike && !shape.heads_are_alike() {
            return needs("all layers have the same number of query heads");
        }
        if let Some(neurons) = shape.neurons().iter().find(|count| !count.is_multiple_of(rules.neurons)) {
            return needs(&format!("neurons are a multiple of {}, which {neurons} are not", rules.neurons));
        }
        Verdict::LoadsAs { form: rules.form.clone() }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        let zero = self.layers.as_ref().is_some_and(|layers| layers.neurons == 0);
        zero.then(|| "`neurons` is 0, and has to be at least 1".into())
    }
}
