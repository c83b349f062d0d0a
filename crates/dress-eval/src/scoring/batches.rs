//! Which requests go through the model together.

use super::Request;
use crate::Error;

/// How requests are batched; the results do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchConfig {
    /// The most tokens, padding included, that go through the model at once.
    pub max_tokens: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { max_tokens: 2048 }
    }
}

/// What one more pass through the model costs, in tokens: the weights are read once more.
const PASS: usize = 24;

/// What is asked of one position and those behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The request, within its group.
    pub request: usize,
    /// The position that predicts the first target.
    pub start: usize,
    /// The tokens whose likelihood is wanted.
    pub targets: Vec<u32>,
}

/// One sequence that goes through the model, for all requests that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub input: Vec<u32>,
    pub asked: Vec<Asked>,
}

/// The requests of one question: few rows that begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Its place among all groups.
    pub index: usize,
    /// The longest rows first.
    pub rows: Vec<Row>,
    /// Tokens at the start that all rows share, before anything is asked; 0 for a single row.
    pub shared: usize,
}

impl Group {
    /// The rows that answer `requests`. What is too long for `positions` is cut from the left, as `lm_eval`
    /// does.
    ///
    /// # Errors
    /// [`Error::ContinuationTooLong`].
    pub fn new(index: usize, requests: &[Request], positions: usize) -> Result<Self, Error> {
        let mut rows = requests.iter().enumerate().map(|(request, r)| row(request, r, positions));
        let mut rows: Vec<Row> = rows.by_ref().collect::<Result<_, _>>()?;
        // A row that another begins with is answered by it: one-token choices are one row.
        rows.sort_by_key(|row| std::cmp::Reverse(row.input.len()));
        let mut kept: Vec<Row> = Vec::new();
        for row in rows {
            match kept.iter_mut().find(|longer| longer.input.starts_with(&row.input)) {
                Some(longer) => longer.asked.extend(row.asked),
                None => kept.push(row),
            }
        }
        let shared = if kept.len() == 1 { 0 } else { common_start(&kept) };
        Ok(Self { index, rows: kept, shared })
    }

    fn longest(&self) -> usize {
        self.rows[0].input.len()
    }
}

fn row(request: usize, asked: &Request, positions: usize) -> Result<Row, Error> {
    let scored = asked.continuation.len();
    if scored > positions {
        return Err(Error::ContinuationTooLong { tokens: scored, positions });
    }
    let whole: Vec<u32> = asked.context.iter().chain(&asked.continuation).copied().collect();
    let cut = whole.len().saturating_sub(positions + 1);
    if cut > 0 {
        tracing::warn!(
            "{} tokens are too many for {positions} positions; {cut} are cut from the left",
            whole.len()
        );
    }
    let input = whole[cut..whole.len() - 1].to_vec();
    let start = input.len() - scored;
    Ok(Row { input, asked: vec![Asked { request, start, targets: asked.continuation.clone() }] })
}

fn common_start(rows: &[Row]) -> usize {
    let first = &rows[0].input;
    let common = |row: &Row| first.iter().zip(&row.input).take_while(|(a, b)| a == b).count();
    let asked = rows.iter().flat_map(|row| &row.asked).map(|asked| asked.start);
    rows.iter().map(common).chain(asked).min().unwrap_or(0)
}

/// Groups that go through the model together: first what all rows of each share, once, then the rest of
/// every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub groups: Vec<Group>,
    /// Tokens of each group that go through first; 0 where that does not pay.
    pub prefix: usize,
}

#[derive(Debug, Clone, Copy)]
struct Extent {
    groups: usize,
    rows: usize,
    shared: usize,
    longest: usize,
}

impl Extent {
    fn of(group: &Group) -> Self {
        Self { groups: 1, rows: group.rows.len(), shared: group.shared, longest: group.longest() }
    }

    fn with(self, other: Self) -> Self {
        Self {
            groups: self.groups + other.groups,
            rows: self.rows + other.rows,
            shared: self.shared.min(other.shared),
            longest: self.longest.max(other.longest),
        }
    }

    fn cached(self) -> usize {
        self.groups * self.shared + self.rows * (self.longest - self.shared) + 2 * PASS
    }

    fn plain(self) -> usize {
        self.rows * self.longest + PASS
    }

    fn cost(self) -> usize {
        if self.shared == 0 { self.plain() } else { self.cached().min(self.plain()) }
    }
}

/// Batches of groups of about equal length, the longest first, so that what does not fit in memory fails at
/// once.
pub(super) fn batches(mut groups: Vec<Group>, config: &BatchConfig) -> Vec<Batch> {
    groups.sort_by_key(|group| {
        std::cmp::Reverse((group.shared, group.longest(), std::cmp::Reverse(group.index)))
    });
    let mut batches: Vec<(Extent, Vec<Group>)> = Vec::new();
    for group in groups {
        let alone = Extent::of(&group);
        if let Some((extent, batch)) = batches.last_mut() {
            let together = extent.with(alone);
            let pays = together.cost() <= extent.cost() + alone.cost();
            // The cache holds every row's start, though only one a group is computed.
            let fits = together.rows * together.longest <= 4 * config.max_tokens;
            if pays && fits && together.cost() <= config.max_tokens {
                *extent = together;
                batch.push(group);
                continue;
            }
        }
        batches.push((alone, vec![group]));
    }
    let finished = batches.into_iter().map(|(extent, groups)| {
        let pays = extent.shared > 0 && extent.cached() < extent.plain();
        Batch { groups, prefix: if pays { extent.shared } else { 0 } }
    });
    finished.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(context: &[u32], continuation: &[u32]) -> Request {
        Request { context: context.to_vec(), continuation: continuation.to_vec() }
    }

    #[test]
    fn one_token_choices_are_one_row() {
        let group = Group::new(0, &[request(&[1, 2, 3], &[4]), request(&[1, 2, 3], &[5])], 16).unwrap();
        assert_eq!((group.rows.len(), group.shared), (1, 0));
        assert_eq!(group.rows[0].input, [1, 2, 3]);
        assert_eq!(group.rows[0].asked.iter().map(|asked| asked.start).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn choices_share_their_context_up_to_what_predicts_the_first_token() {
        let group =
            Group::new(0, &[request(&[1, 2, 3], &[4, 5]), request(&[1, 2, 3], &[4, 6, 7])], 16).unwrap();
        assert_eq!(group.rows.len(), 1, "[1, 2, 3, 4] is how [1, 2, 3, 4, 6] begins");
        let group =
            Group::new(0, &[request(&[1, 2, 3], &[4, 5]), request(&[1, 2, 3], &[8, 6, 7])], 16).unwrap();
        assert_eq!((group.rows.len(), group.shared), (2, 2));
    }

    #[test]
    fn a_context_longer_than_the_model_is_cut_from_the_left() {
        let group = Group::new(0, &[request(&[1, 2, 3, 4, 5], &[6, 7])], 4).unwrap();
        assert_eq!(group.rows[0].input, [3, 4, 5, 6]);
        assert_eq!(group.rows[0].asked[0].start, 2);
        let says = Group::new(0, &[request(&[1], &[2; 5])], 4).unwrap_err().to_string();
        assert!(says.contains("5 tokens") && says.contains("4 positions"), "{says}");
    }

    #[test]
    fn every_group_is_in_one_batch_and_padding_does_not_pay_twice() {
        let group = |index: usize, context: usize| {
            let context: Vec<u32> = (0..context as u32).collect();
            Group::new(index, &[request(&context, &[90, 91]), request(&context, &[92, 93])], 4096).unwrap()
        };
        let groups: Vec<Group> =
            [40, 400, 41, 398, 39].iter().enumerate().map(|(i, &len)| group(i, len)).collect();
        let batches = batches(groups, &BatchConfig::default());
        let indices: Vec<Vec<usize>> =
            batches.iter().map(|batch| batch.groups.iter().map(|group| group.index).collect()).collect();
        assert_eq!(indices, [vec![1, 3], vec![2, 0, 4]]);
        assert_eq!(batches[0].prefix, 397);
    }
}
