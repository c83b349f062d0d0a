//! Where an axis touches a parameter.

use crate::Site;
use serde::{Deserialize, Serialize};

/// What a parameter does with an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes the axis's values in, as the columns of a projection do.
    Reads,
    /// Puts values on the axis, as the rows of a projection and biases do.
    Writes,
    /// Multiplies the axis elementwise, as the gains of a norm do.
    Scales,
    /// Is added to what a norm over the axis gives, as the biases of a layer norm are.
    Shifts,
}

/// The part of a layer a parameter belongs to; penalties weigh each part on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// Query, key, value and output projections.
    Attention,
    /// The feed-forward network's projections.
    Ffn,
    /// Embeddings, norms and the head.
    Rest,
}

/// One (parameter, dimension) that an axis touches.
///
/// Structure `i` of the axis owns the indices `i * block .. (i + 1) * block` of that dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The parameter's Hugging Face name.
    pub parameter: String,
    /// The dimension, counted in the Hugging Face layout (`[out, in]` for a linear layer).
    pub dim: usize,
    /// How many indices of that dimension one structure owns.
    pub block: usize,
    /// What the parameter does with the axis.
    pub role: Role,
    /// The part of the model the parameter belongs to.
    pub component: Component,
    /// The tap whose values a reading slot multiplies, or that a norm's gains and biases make, where the
    /// model reports one.
    pub site: Option<Site>,
    /// Whether a parameter that writes the axis also reads it, as an embedding that is the head does.
    pub tied: bool,
    /// Whether the parameter is one less than what it multiplies by, as the gains of Gemma's norms are: of
    /// norms over the axis, which scale it, and of norms behind a projection, which write it. Where nothing
    /// is to come through, such a number is -1, and 0 leaves what it multiplies as it is. Whoever zeroes,
    /// shrinks or weighs a parameter adds [`Slot::offset`] first and takes it off again.
    #[serde(default)]
    pub plus_one: bool,
}

impl Slot {
    /// A slot of one index a structure, with no tap.
    pub fn new(parameter: impl Into<String>, dim: usize, role: Role, component: Component) -> Self {
        let parameter = parameter.into();
        Self { parameter, dim, block: 1, role, component, site: None, tied: false, plus_one: false }
    }

    /// The same slot with `block` indices a structure.
    #[must_use]
    pub fn block(mut self, block: usize) -> Self {
        self.block = block;
        self
    }

    /// The same slot, of a parameter that reads the axis too if `tied`.
    #[must_use]
    pub fn tied(mut self, tied: bool) -> Self {
        self.tied = tied;
        self
    }

    /// The same slot, of a parameter that is one less than what it multiplies by if `plus_one`.
    #[must_use]
    pub fn plus_one(mut self, plus_one: bool) -> Self {
        self.plus_one = plus_one;
        self
    }

    /// What the parameter's numbers lack of what they multiply by: 1 where they are filed as one less,
    /// else 0.
    ///
    /// # Examples
    /// ```
    /// use dress_core::{Component, Role, Slot};
    ///
    /// let gains = Slot::new("norm.weight", 0, Role::Scales, Component::Rest);
    /// assert_eq!((gains.offset(), gains.plus_one(true).offset()), (0.0, 1.0));
    /// ```
    pub fn offset(&self) -> f64 {
        if self.plus_one { 1.0 } else { 0.0 }
    }

    /// The same slot, multiplying what passes `site`.
    #[must_use]
    pub fn site(mut self, site: Site) -> Self {
        self.site = Some(site);
        self
    }
}
