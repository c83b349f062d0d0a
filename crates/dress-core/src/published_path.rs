//! Paths as files say them that may be published.

use std::path::{Component, Path};

/// A path as a file says it that may be published, such as a model card: of one that is absolute or goes
/// through `..` the last part alone, since what is above it says where somebody keeps things. Every other
/// path stays as it is, and so does an id on the Hugging Face hub.
///
/// What a run depends on is never told apart by this text, but by hashes.
///
/// # Examples
/// ```
/// use dress_core::published_path;
///
/// for (path, published) in [
///     ("/home/me/models/smaller", "smaller"),
///     ("../texts/calibration.txt", "calibration.txt"),
///     ("texts/calibration.txt", "texts/calibration.txt"),
///     ("HuggingFaceTB/SmolLM2-135M", "HuggingFaceTB/SmolLM2-135M"),
/// ] {
///     assert_eq!(published_path(path.as_ref()), published);
/// }
/// ```
pub fn published_path(path: &Path) -> String {
    match path.components().next_back() {
        Some(last) if leads_out(path) => last.as_os_str().to_string_lossy().into_owned(),
        _ => path.display().to_string(),
    }
}

/// Whether a path is absolute or goes through `..`.
fn leads_out(path: &Path) -> bool {
    let leads_out = |part: Component<'_>| {
        matches!(part, Component::Prefix(_) | Component::RootDir | Component::ParentDir)
    };
    path.components().any(leads_out)
}

/// [`published_path`] of every path in a word of a command line, or in what names several texts: behind
/// `name=` and `name:`, and between commas. What exists under the whole name is one path, as where texts are
/// read, and so is what exists with a weight behind it.
///
/// # Examples
/// ```
/// use dress_core::published_paths;
///
/// assert_eq!(published_paths("--model=/home/me/dense"), "--model=dense");
/// assert_eq!(published_paths("/home/me/a.jsonl:0.7,b.jsonl:0.3"), "a.jsonl:0.7,b.jsonl:0.3");
/// assert_eq!(published_paths("--ratio=ffn.0-3=0,ffn=0.3"), "--ratio=ffn.0-3=0,ffn=0.3");
/// ```
pub fn published_paths(word: &str) -> String {
    let one = |part: &str| {
        let (names, path) = behind_names(part);
        names.to_string() + &published_path(Path::new(path))
    };
    let (_, whole) = behind_names(word);
    let exists = |path: &str| Path::new(path).exists();
    let is_weighted = |(path, weight): (&str, &str)| weight.parse::<f64>().is_ok() && exists(path);
    match exists(whole) || whole.rsplit_once(':').is_some_and(is_weighted) {
        true => one(word),
        false => word.split(',').map(one).collect::<Vec<_>>().join(","),
    }
}

/// The names at the start of a word, as `--tasks=piqa=` or `books:`, and what is behind them. Names have
/// neither slashes nor commas, and a colon is behind one where it is before a path that leads out.
fn behind_names(word: &str) -> (&str, &str) {
    let ends = word.find(['/', '\\', ',']).unwrap_or(word.len());
    let begins = word[..ends].rfind('=').map_or(0, |at| at + 1);
    let behind_colon = word[begins..ends].rfind(':').map(|at| begins + at + 1);
    // A single letter is a drive, and two slashes are behind the protocol of an address.
    let is_path = |at: &usize| at - begins > 2 && !word[*at..].starts_with("//");
    let named = behind_colon.filter(is_path).filter(|at| leads_out(Path::new(&word[*at..])));
    word.split_at(named.unwrap_or(begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_a_path_is_left_out_and_names_before_it_stay() {
        for (word, published) in [
            ("/", "/"),
            ("..", ".."),
            (".", "."),
            ("/home/me/..", ".."),
            ("/home/me/dense/", "dense"),
            ("texts/../../me/a.txt", "a.txt"),
            ("--calibration", "--calibration"),
            (
                "--tasks=piqa=/home/me/piqa.jsonl,arc=tasks/arc.toml",
                "--tasks=piqa=piqa.jsonl,arc=tasks/arc.toml",
            ),
            ("/home/me=you/a=b.txt", "a=b.txt"),
            ("--out=../a=b/c", "--out=c"),
            ("--protect=layers=0-3,28", "--protect=layers=0-3,28"),
            ("org/model@main", "org/model@main"),
            ("--calibration=books:/home/me/a.txt:0.7,b.txt:0.3", "--calibration=books:a.txt:0.7,b.txt:0.3"),
            ("b.txt:0.3,web:../me/a.txt", "b.txt:0.3,web:a.txt"),
            ("books:texts/a.txt", "books:texts/a.txt"),
            ("https://host/me", "https://host/me"),
            ("--for=llama.cpp:q4_k_m,vllm", "--for=llama.cpp:q4_k_m,vllm"),
            ("", ""),
        ] {
            assert_eq!(published_paths(word), published, "{word}");
        }
    }

    #[test]
    fn what_is_there_under_a_name_with_commas_is_one_path() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("me, you");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("a.txt"), "").unwrap();
        let word = format!("--calibration={}", folder.join("a.txt").display());
        assert_eq!(published_paths(&word), "--calibration=a.txt");
        assert_eq!(published_paths(&format!("{word}:0.7")), "--calibration=a.txt:0.7");
    }
}
