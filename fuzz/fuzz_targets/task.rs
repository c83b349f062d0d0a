//! A task of one's own: its TOML, a zero byte, and one row of its data as JSON. What is asked of the row has
//! a right answer.
#![no_main]

use dress_eval::tasks::{Question, Row, TaskFile, Templates};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some(at) = input.iter().position(|&byte| byte == 0) else { return };
    let path = std::env::temp_dir().join(format!("dress-fuzz-task-{}.toml", std::process::id()));
    std::fs::write(&path, &input[..at]).unwrap();
    let Ok(task) = TaskFile::read(&path) else { return };
    assert!(task.metrics.contains(&task.headline));
    let Ok(row) = serde_json::from_slice::<Row>(&input[at + 1..]) else { return };
    if let Ok(question) = Question::new(&task, &Templates::new(), &row, 1) {
        assert!(question.gold.is_none_or(|gold| gold < question.requests.len()));
        assert_eq!(task.kind.generates(), !question.answers.is_empty());
        let _ = question.example(&task);
    }
});
