//! Any error of the libraries, and those of the command line itself.

use crate::option_names::as_options;
use std::path::PathBuf;

/// Errors of the `dress` command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A ratio of nothing.
    #[error(
        "a ratio is of an axis; give --axis, or a budget such as --params in place of --ratio for prune to find what goes"
    )]
    NoAxis,
    /// Ratios with and without the names of their axes.
    #[error(
        "--ratio has ratios with the names of their axes and without; name all of them, as ffn.0-3=0,ffn=0.3, or none"
    )]
    RatiosOfBothKinds,
    /// Scores that are asked for without an axis.
    #[error("scores are of an axis; give --axis, or let `dress prune` find what goes without one")]
    NothingToScore,
    /// A file of settings that cannot be used.
    #[error("{path}: {reason}", path = .path.display())]
    SettingsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A token that the tokenizer does not have.
    #[error("--stop {token}: this tokenizer has no such token; give one as it stands in tokenizer.json")]
    NoSuchToken {
        /// The token as given.
        token: String,
    },
    /// A picture under another format's name.
    #[error("{path}: pictures are written as SVG or PNG; give a name that ends with .svg or .png", path = .path.display())]
    NotAPicture {
        /// The file as given.
        path: PathBuf,
    },
    /// A GGUF file under another format's name.
    #[error("{path}: programs know a GGUF file by its name; give one that ends with .gguf", path = .path.display())]
    NotGguf {
        /// The file as given.
        path: PathBuf,
    },
    /// A file that is none of those that are drawn.
    #[error("{path}: {is}; give {wanted}", path = .path.display())]
    NotDrawn {
        /// The file.
        path: PathBuf,
        /// What it is.
        is: String,
        /// What would do.
        wanted: &'static str,
    },
    /// A file that another command writes, and that cannot be read.
    #[error("{path} cannot be read: {cause}; give {wanted}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What would do.
        wanted: &'static str,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {cause}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A result whose place was taken while it was made.
    #[error("{path}: was not there when the run began, and is not replaced ({cause}); the complete result is kept in {kept}, move it where it is wanted", path = .path.display(), kept = .kept.display())]
    Appeared {
        /// The place.
        path: PathBuf,
        /// Where the result is.
        kept: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// What was to be said and could not be.
    #[error("standard output cannot be written: {cause}; whatever files the command makes are complete")]
    Output {
        /// What the system says.
        cause: std::io::Error,
    },
    /// Another run that writes to the same place.
    #[error("{path}: another run (process {process}) is writing there; wait for its end, or choose another place", path = .path.display())]
    Locked {
        /// The place.
        path: PathBuf,
        /// The process that holds it, as far as is known.
        process: String,
    },
    /// An option that the others leave without effect.
    #[error("{option} has no effect {why}; {remedy}")]
    OptionUnused {
        /// The option as given.
        option: String,
        /// Why.
        why: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A result that is to go where nothing can be.
    #[error("{path}: there is no directory of that name to put the result in; make it, or choose another place", path = .path.display())]
    NoDirectory {
        /// What should be a directory.
        path: PathBuf,
    },
    /// Costs that cannot be used.
    #[error("{path}: {reason}; measure the checkpoint with `dress costs`", path = .path.display())]
    Costs {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file that is to be replaced and is something else.
    #[error("{path}: not a {what}, so it is not replaced; choose another place", path = .path.display())]
    NotReplaced {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
    },
    /// Texts of another run, which is not finished.
    #[error(
        "{path} has what a run with other settings has written so far; repeat that command to finish it, or give --force to \
         begin anew", path = .path.display()
    )]
    OtherTexts {
        /// The file.
        path: PathBuf,
    },
    /// A model whose texts begin with nothing.
    #[error(
        "{model} says no token that a text begins or ends with; give the texts a beginning with --prompt", model = .model.display()
    )]
    NoBeginning {
        /// The model.
        model: PathBuf,
    },
    /// A report of something else.
    #[error("{path}: the report of {of}; choose another place, or give --force to replace it", path = .path.display())]
    OtherReport {
        /// The file.
        path: PathBuf,
        /// What it is of.
        of: String,
    },
    /// What is at the place of a report and is none that this version reads.
    #[error("{path}: not a report of this version ({reason}); choose another place, or give --force to replace it", path = .path.display())]
    UnreadReport {
        /// The file.
        path: PathBuf,
        /// Why it is none.
        reason: String,
    },
    /// An evaluation of nothing.
    #[error("there is nothing to measure; give a text with --data, tasks with --tasks, or --speed")]
    NothingToMeasure,
    /// A file that is there already.
    #[error("{path}: already exists; choose another place, or give --force to replace it", path = .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A text that names no option and its value.
    #[error(
        "`{text}` is no setting; write an option of dress prune and its values, as lambda=1,5,20 or kept-only=on"
    )]
    NoSetting {
        /// The text as given.
        text: String,
    },
    /// A name that is no option of `dress prune`.
    #[error("`{name}`: dress prune has no such option that can be varied; it has {known}")]
    NoSuchOption {
        /// The name as given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A row whose settings do not go.
    #[error("row `{row}`: {reason}")]
    SettingOfRow {
        /// The row.
        row: String,
        /// Why.
        reason: String,
    },
    /// A text that cannot be read twice.
    #[error("{option} {path}: every cell reads the texts again, in a process of its own, and this can be read once; write it to a file and give that", path = .path.display())]
    ReadTwice {
        /// The option.
        option: &'static str,
        /// What was given.
        path: PathBuf,
    },
    /// Cells that did not come to an end.
    #[error("{} of the cells failed: {}; the others are in {path}, and running the same command again tries these anew",
        .cells.len(), .cells.join(", "), path = .path.display())]
    CellsFailed {
        /// The cells.
        cells: Vec<String>,
        /// Where the others are.
        path: PathBuf,
    },
    /// A criterion that looks at data, without data.
    #[error(
        "criterion `{criterion}` looks at data: give a corpus with --calibration, or choose magnitude-l1, magnitude-l2 or random"
    )]
    NeedsCalibration {
        /// The criterion.
        criterion: String,
    },
    /// A model that no rotation leaves as small as it is.
    #[error(
        "the head of this model is its embedding, and behind layer norms it cannot stay so in other coordinates; give --basis pca, which adds the parameters of a head of its own"
    )]
    NoFreeBasis,
    /// A `dress.json` that is not one.
    #[error("{path}: not a dress.json of this version: {cause}; give a directory that `dress prune` wrote", path = .path.display())]
    ResultFile {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        cause: serde_json::Error,
    },
    /// Two models whose tokens mean different texts.
    #[error(
        "{model} and {against} have different tokenizers; give the model that it was made from",
        model = .model.display(), against = .against.display()
    )]
    OtherTokenizer {
        /// The model.
        model: PathBuf,
        /// The other.
        against: PathBuf,
    },
    /// Of the shared vocabulary.
    #[error(transparent)]
    Core(#[from] dress_core::Error),
    /// Of finding a device.
    #[error(transparent)]
    Machine(#[from] dress_machine::Error),
    /// Of models and checkpoints.
    #[error(transparent)]
    Models(#[from] dress_models::Error),
    /// Of the table of engines.
    #[error(transparent)]
    Engines(#[from] dress_engines::Error),
    /// Of corpora and tokenizers.
    #[error(transparent)]
    Data(#[from] dress_data::Error),
    /// Of scorers.
    #[error(transparent)]
    Importance(#[from] dress_importance::Error),
    /// Of selecting and slicing.
    #[error(transparent)]
    Prune(#[from] dress_prune::Error),
    /// Of a run from a checkpoint to a smaller one.
    #[error(transparent)]
    Job(#[from] dress::Error),
    /// Of evaluation.
    #[error(transparent)]
    Eval(#[from] dress_eval::Error),
    /// Of a study.
    #[error(transparent)]
    Study(dress_study::Error),
}

impl From<dress_study::Error> for Error {
    /// What is missing is named by its option.
    fn from(error: dress_study::Error) -> Self {
        match error {
            dress_study::Error::NeedsCalibration { method } => Self::NeedsCalibration { criterion: method },
            error => Self::Study(error),
        }
    }
}

impl Error {
    /// The exit status where another process has what is asked for, as mail programs have it for what may go
    /// later.
    pub const LOCKED: u8 = 75;

    /// The exit status of a command that ends with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Locked { .. } => Self::LOCKED,
            _ => 1,
        }
    }

    /// What is wrong, and what is meant where the system says only that a file cannot grow.
    pub fn with_cure(&self, command: &clap::Command) -> String {
        // Libraries name settings; what they are called on the command line is known here.
        let text = as_options(&without_partial(&self.to_string()), command);
        // Libraries below hand on the system's words, not its numbers.
        match FULL.iter().any(|number| text.contains(&format!("(os error {number})"))) {
            true => format!(
                "{text}; the disk is full, or a limit on its use or on files' sizes (ulimit -f) was reached"
            ),
            false => text,
        }
    }
}

/// What a result is called while it is written, before its number.
const PARTIAL: &str = ".partial-";

/// `text` with the place of a result in place of the hidden directory beside it in which it is made: `out`
/// for `.out.partial-1`.
fn without_partial(text: &str) -> String {
    let (mut said, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(PARTIAL) {
        let (before, behind) = (&rest[..at], &rest[at + PARTIAL.len()..]);
        let digits = behind.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(behind.len());
        let start = before.rfind(['/', '\\', ' ']).map_or(0, |place| place + 1);
        match before[start..].strip_prefix('.') {
            Some(name) if digits > 0 && !name.is_empty() => {
                said += &before[..start];
                said += name;
            }
            _ => said += &rest[..at + PARTIAL.len() + digits],
        }
        rest = &behind[digits..];
    }
    said + rest
}

/// EFBIG, ENOSPC and EDQUOT.
const FULL: [i32; 3] = [27, 28, 122];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_named_by_its_place_and_not_by_where_it_is_made() {
        for (text, expected) in [
            ("runs/.out.partial-12/model.safetensors: no space", "runs/out/model.safetensors: no space"),
            (".a b.partial-1: x and /t/.c.partial-3/y", ".a b.partial-1: x and /t/c/y"),
            ("out.partial-1 stays", "out.partial-1 stays"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_partial(text), expected);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_that_cannot_grow_is_said_to_be_that() {
        for number in FULL {
            let cause = std::io::Error::from_raw_os_error(number);
            let said =
                Error::Io { path: "out/plan.json".into(), cause }.with_cure(&clap::Command::new("prune"));
            assert!(said.contains("out/plan.json") && said.contains("the disk is full"), "{said}");
        }
        let cause = std::io::Error::from_raw_os_error(2);
        assert!(
            !Error::Io { path: "out".into(), cause }.with_cure(&clap::Command::new("prune")).contains("disk")
        );
    }
}
