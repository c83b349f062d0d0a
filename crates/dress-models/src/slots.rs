//! Slots that families have alike.

use dress_core::{AxisSlots, Component, MultipleOf, Role, Site, Slot};

/// Gains and biases of a norm whose output passes `site`.
pub(crate) fn norm(name: &str, site: Site) -> [Slot; 2] {
    [("weight", Role::Scales), ("bias", Role::Shifts)]
        .map(|(part, role)| Slot::new(format!("{name}.{part}"), 0, role, Component::Rest).site(site))
}

/// The rows of a projection that write an axis, with their biases where it has them.
pub(crate) fn linear(name: &str, bias: bool, block: usize, component: Component) -> Vec<Slot> {
    let parts = ["weight", "bias"].into_iter().take(if bias { 2 } else { 1 });
    parts.map(|part| Slot::new(format!("{name}.{part}"), 0, Role::Writes, component).block(block)).collect()
}

/// Heads of one attention: a structure is a key/value head with the query heads that share it. It goes as a
/// whole, with all pairs that rotary embedding turns (identity [E6]).
///
/// [E6]: dress_core::identities#e6
pub(crate) struct GroupedHeads<'a> {
    /// The path of the attention.
    pub attention: String,
    /// The name of its output projection.
    pub output: &'a str,
    /// Whether queries, keys and values have biases.
    pub bias: bool,
    /// Width of a head.
    pub head_dim: usize,
    /// Query heads that share one key/value head.
    pub heads_per_group: usize,
    /// Key/value heads.
    pub len: usize,
    /// The layer.
    pub layer: usize,
}

impl GroupedHeads<'_> {
    pub fn slots(&self) -> AxisSlots {
        let name = |projection: &str| format!("{}.{projection}", self.attention);
        let (keys, queries) = (self.head_dim, self.head_dim * self.heads_per_group);
        let projections = [("q_proj", queries), ("k_proj", keys), ("v_proj", keys)].into_iter();
        let mut slots: Vec<Slot> = projections
            .flat_map(|(projection, block)| linear(&name(projection), self.bias, block, Component::Attention))
            .collect();
        let output = format!("{}.weight", name(self.output));
        let output = Slot::new(output, 1, Role::Reads, Component::Attention).block(queries);
        slots.push(output.site(Site::Heads { layer: self.layer }));
        AxisSlots { len: self.len, multiple_of: MultipleOf::ONE, normalization: None, slots }
    }
}
