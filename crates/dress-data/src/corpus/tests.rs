use super::*;

/// The corpus of a file of this name and content.
pub fn corpus(name: &str, content: &str) -> Corpus {
    read(name, content.as_bytes()).unwrap()
}

/// The rows of a corpus.
pub fn rows(corpus: &Corpus) -> Vec<String> {
    corpus.rows().map(|row| row.unwrap().into_owned()).collect()
}

fn read(name: &str, content: &[u8]) -> Result<Corpus, Error> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    Corpus::read(&path, CorpusFormat::Auto)
}

fn message(name: &str, content: &[u8]) -> String {
    read(name, content).unwrap_err().to_string()
}

#[test]
fn a_text_stays_as_it_is_and_is_named_by_its_bytes() {
    let corpus = read("a.txt", b"one\r\n\ntwo\n").unwrap();
    assert_eq!(corpus.text("|").unwrap(), "one\r\n\ntwo\n");
    assert_eq!(rows(&corpus), ["one", "", "two"]);
    assert_eq!(corpus.sha256(), sha256::hex(b"one\r\n\ntwo\n"));
    assert_eq!(sha256::hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn json_lines_and_arrays_give_the_same_rows() {
    let lines = read("a.jsonl", b"{\"text\":\"one\"}\n\n{\"text\":\"two\"}\n").unwrap();
    let array = read("a.json", b"[{\"text\":\"one\"},{\"text\":\"two\"}]").unwrap();
    assert_eq!(lines.text(" ").unwrap(), "one two");
    assert_eq!(array.text(" ").unwrap(), "one two");
}

#[test]
fn a_split_shares_out_the_rows() {
    let corpus = read("a.txt", b"one\ntwo\nthree\nfour\nfive").unwrap();
    let (first, rest) = corpus.split(0.8).unwrap();
    assert_eq!(
        (first.text("").unwrap(), rest.text("").unwrap()),
        ("one\ntwo\nthree\nfour".into(), "five".into())
    );
    assert!(read("a.txt", b"one").unwrap().split(0.8).is_err());
}

#[test]
fn empty_corpus_is_an_error() {
    for content in [&b""[..], b"\n \n", b"\xef\xbb\xbf"] {
        let message = message("a.txt", content);
        assert!(message.contains("a.txt") && message.contains("no text"), "{message}");
    }
    assert!(message("a.jsonl", b"{\"text\":\"\"}").contains("no text"));
}

#[test]
fn malformed_json_row_names_its_line() {
    let message = message("a.jsonl", b"{\"text\":\"one\"}\n{\"text\":");
    assert!(message.contains("a.jsonl") && message.contains("row 2"), "{message}");
}

#[test]
fn malformed_json_in_an_array_names_its_row() {
    for (array, row) in [
        (&b"[{\"text\":\"one\"},{\"text\":\"two\"},{\"text\":]"[..], "row 3"),
        (b"[{\"text\":\"one\"},7]", "row 2"),
        (b"{\n\"text\":\"one\"}", "row 1"),
    ] {
        let message = message("a.json", array);
        assert!(message.contains("a.json") && message.contains(row), "{message}");
    }
}

#[test]
fn a_row_without_text_names_the_keys_it_has() {
    let message = message("a.jsonl", b"{\"body\":\"one\"}");
    assert!(message.contains("`body`") && message.contains("expected `text`"), "{message}");
}

#[test]
fn a_row_that_is_an_array_or_names_its_text_twice_is_read_as_json_says() {
    assert!(message("a.jsonl", b"{\"text\":\"one\"}\n[\"two\"]").contains("row 2"));
    let twice = read("a.jsonl", b"{\"text\":\"one\",\"text\":\"two\"}").unwrap();
    assert_eq!(rows(&twice), ["two"]);
}

const ROWS: &str = "{\"text\":\"one\"}\n{\"text\":\"two\"}\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn the_first_bytes_say_what_a_file_is() {
    let zstd = zstd::encode_all(ROWS.as_bytes(), 1).unwrap();
    let members = [gzip(&ROWS.as_bytes()[..15]), gzip(&ROWS.as_bytes()[15..])].concat();
    for (name, content) in [
        ("a.json", ROWS.as_bytes()),
        ("a.json.gz", &gzip(ROWS.as_bytes())),
        ("a", &members),
        ("a.txt", &zstd),
        ("a.jsonl", b"[{\"text\":\"one\"},{\"text\":\"two\"}]"),
        ("a.csv", b"id,text\n0,one\n1,\"two\"\n"),
        ("a.tsv", b"text\tid\none\t1\ntwo\t2"),
        ("a.txt", b"id;text\n0;one\n1;two"),
    ] {
        let corpus = read(name, content).unwrap();
        assert_eq!(rows(&corpus), ["one", "two"], "{name}");
        assert_eq!(corpus.sha256(), sha256::hex(content), "{name}");
    }
    assert!(read("a.txt", b"text, he said, is\nall").unwrap().is_text());
}

#[test]
fn what_is_no_corpus_is_named_with_the_cure() {
    for (content, says) in [
        (&b"BZh9"[..], "bunzip2"),
        (b"PK\x03\x04", "zip"),
        (b"\xff\xff\xff\xff\x10", "to_parquet"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"\x1f\x8b\x08\0no", "gzip"),
        (b"PAR1no", "Parquet"),
    ] {
        let message = message("a.jsonl", content);
        assert!(message.contains("a.jsonl") && message.contains(says), "{message}");
    }
    assert!(message("a.csv", b"id,body\n1,one\n").contains("`body`"));
    assert!(message("a.csv", b"id,text\n1,one,two\n").contains("CSV"));
}

#[test]
fn a_text_that_is_null_is_said_to_be_that() {
    let message = message("a.jsonl", b"{\"text\":\"one\"}\n{\"text\":null}");
    assert!(message.contains("row 2") && message.contains("`text` is null"), "{message}");
    let turns = b"{\"messages\":[{\"role\":\"user\",\"content\":\"one\"}]}";
    let chat = self::message("a.jsonl", turns);
    assert!(chat.contains("chat"), "{chat}");
}

#[test]
fn invalid_utf8_names_the_byte() {
    let message = message("a.txt", b"abc\xff");
    assert!(message.contains("byte 3") && message.contains("iconv"), "{message}");
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = Corpus::read(Path::new("/nowhere/corpus.txt"), CorpusFormat::Auto).unwrap_err();
    assert!(error.to_string().contains("/nowhere/corpus.txt"));
}

#[test]
fn lines_that_are_not_held_are_the_same_corpus() {
    let at = tempfile::tempdir().unwrap();
    let row = |i: usize| match i % 5 {
        0 => format!("{{\"id\":[{i},{{\"text\":1}}],\"text\":\"é{}\\n\"}}\r\n", "w ".repeat(i % 700)),
        1 => "{\"text\":\" \"}\n\n".into(),
        2 => format!("{{\"text\":null,\"text\":\"{i}\",\"text\\u0020\":2}}\n"),
        3 => format!("{{\"instruction\":\"do {i}\",\"output\":\"\\u00e9\"}}\n"),
        _ => format!("{{\"text\":\"漢字{i}\"}}\n"),
    };
    let content: String = std::iter::once("\u{feff}\n".into()).chain((0..4000).map(row)).collect();
    assert!(content.len() > 400_000, "several marks");
    let halves = [&content[..content[..300_000].rfind('\n').unwrap() + 1], ""];
    let halves = [halves[0], &content[halves[0].len()..]];
    let path = |name: &str| at.path().join(name);
    std::fs::write(path("a.jsonl"), &content).unwrap();
    std::fs::create_dir(path("parts")).unwrap();
    std::fs::write(path("parts/0.jsonl"), halves[0]).unwrap();
    std::fs::write(path("parts/1.jsonl"), halves[1]).unwrap();
    let read = |name: &str, held| {
        Corpus::read_held(&path(name), CorpusFormat::Auto, &RowText::default(), held).unwrap()
    };
    for name in ["a.jsonl", "parts"] {
        let (held, large) = (read(name, u64::MAX), read(name, 0));
        assert!(large.large().is_some() && held.large().is_none(), "{name}");
        assert_eq!(large.sha256(), held.sha256(), "{name}");
        assert_eq!(rows(&large), rows(&held), "{name}");
        let text = held.text("\n\n").unwrap();
        assert_eq!(large.text("\n\n").unwrap(), text, "{name}");
        let lines = large.large().unwrap();
        assert_eq!(lines.length("\n\n"), text.len() as u64, "{name}");
        let filled: Vec<String> = rows(&held).into_iter().filter(|row| !row.trim().is_empty()).collect();
        for start in [0, 1, 700, filled.len() - 1] {
            let from: Result<Vec<_>, _> = lines.filled_from(start as u64).take(3).collect();
            assert_eq!(from.unwrap(), filled[start..(start + 3).min(filled.len())], "{name} {start}");
        }
        for from in (0..text.len() as u64).step_by(9_973) {
            let (piece, begins) = lines.joined("\n\n", from, from + 100).unwrap();
            let begins = begins as usize;
            assert!(begins as u64 <= from && text[begins..].starts_with(&piece), "{name} {from}");
            assert!(begins + piece.len() >= (from as usize + 104).min(text.len()), "{name} {from}");
        }
    }
}

#[test]
fn lines_that_are_not_held_have_the_same_errors_and_are_refused_once_they_change() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path().join("a.jsonl");
    let read = |content: &[u8], held| {
        std::fs::write(&path, content).unwrap();
        Corpus::read_held(&path, CorpusFormat::Auto, &RowText::default(), held)
    };
    for content in [
        &b"{\"text\":\"one\"}\n{\"text\":"[..],
        b"{\"text\":\"one\"}\n\n{\"text\":null}",
        b"{\"text\":\"one\"}\n{\"text\":\"\xff\"}",
        b"{\"text\":\"one\"}\n[\"two\"]",
        b"{\"text\":\"one\"}\n{\"body\":\"two\"} x",
        b"{\"text\":\" \"}\n",
    ] {
        let (held, large) = (read(content, u64::MAX).unwrap_err(), read(content, 0).unwrap_err());
        assert_eq!(large.to_string(), held.to_string());
    }
    let corpus = read(b"{\"text\":\"one\"}\n", 0).unwrap();
    std::fs::write(&path, "{\"text\":\"another\"}\n").unwrap();
    let error = corpus.text("").unwrap_err().to_string();
    assert!(error.contains("changed"), "{error}");
}
