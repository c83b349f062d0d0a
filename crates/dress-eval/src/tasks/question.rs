//! From a row to what is asked of the model.

use super::task_file::{TaskFile, TaskKind};
use super::template::{Row, Templates};
use crate::Error;
use serde_json::Value;

/// What one row asks: texts that follow contexts, and which of them is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Context and continuation of each request. Where the model writes the answer, one context with nothing
    /// behind it.
    pub requests: Vec<(String, String)>,
    /// The characters of each choice, by which `acc_norm` divides.
    pub lengths: Vec<usize>,
    /// The right request; none for a log-likelihood and for an answer that the model writes.
    pub gold: Option<usize>,
    /// The accepted answers, where the model writes one; else none.
    pub answers: Vec<String>,
    /// The row as an example: what it asks and its answer.
    shown: (String, String),
}

impl Question {
    /// What `row`, the `number`th from 1, asks, with no examples before it.
    ///
    /// # Errors
    /// [`Error::InTask`] of [`Error::Template`], [`Error::Label`] and [`Error::NoAnswer`].
    pub fn new(task: &TaskFile, templates: &Templates, row: &Row, number: usize) -> Result<Self, Error> {
        Self::of_row(task, templates, row, number).map_err(|error| error.in_task(&task.name))
    }

    fn of_row(task: &TaskFile, templates: &Templates, row: &Row, number: usize) -> Result<Self, Error> {
        let text = |field, template: &str| templates.text(field, template, row, number);
        let texts = |field, expression: &str| templates.texts(field, expression, row, number);
        let label = |expression: &str, choices: &[String]| {
            let value = templates.value("gold", expression, row, number)?;
            gold(&value, choices).ok_or_else(|| Error::Label {
                task: task.name.clone(),
                row: number,
                found: value.to_string(),
                choices: choices.len(),
            })
        };
        let (delimiter, answers) = (&task.target_delimiter, Vec::new());
        Ok(match &task.kind {
            TaskKind::MultipleChoice { context, choices, gold } => {
                let (context, choices) = (text("context", context)?, texts("choices", choices)?);
                let gold = label(gold, &choices)?;
                let shown = (format!("{context}{delimiter}"), choices[gold].clone());
                let requests = choices.iter().map(|choice| (context.clone(), format!("{delimiter}{choice}")));
                let (requests, lengths) = (requests.collect(), characters(&choices));
                Self { requests, lengths, gold: Some(gold), answers, shown }
            }
            TaskKind::MultipleInput { contexts, continuation, gold } => {
                let (contexts, continuation) =
                    (texts("contexts", contexts)?, text("continuation", continuation)?);
                let gold = label(gold, &contexts)?;
                let shown = (format!("{}{delimiter}", contexts[gold]), continuation.clone());
                let lengths = characters(&contexts);
                let requests = contexts.into_iter().map(|c| (c, format!("{delimiter}{continuation}")));
                Self { requests: requests.collect(), lengths, gold: Some(gold), answers, shown }
            }
            TaskKind::Loglikelihood { context, target } => {
                let (context, target) = (text("context", context)?, text("target", target)?);
                let shown = (format!("{context}{delimiter}"), target.clone());
                let lengths = vec![target.chars().count()];
                Self { requests: vec![(context, target)], lengths, gold: None, answers, shown }
            }
            TaskKind::GenerateUntil(generated) => {
                let context = text("context", &generated.context)?;
                let answers = texts("answers", &generated.answers)?;
                let none = || Error::NoAnswer { task: task.name.clone(), row: number };
                let shown = (format!("{context}{delimiter}"), answers.first().ok_or_else(none)?.clone());
                let requests = vec![(context, String::new())];
                Self { requests, lengths: Vec::new(), gold: None, answers, shown }
            }
        })
    }

    /// The row with its answer, as it stands before another.
    pub fn example(&self, task: &TaskFile) -> String {
        format!("{}{}{}", self.shown.0, self.shown.1, task.fewshot_delimiter)
    }

    /// The same with `examples` before every context.
    #[must_use]
    pub fn after(mut self, examples: &str) -> Self {
        self.requests.iter_mut().for_each(|(context, _)| context.insert_str(0, examples));
        self
    }
}

fn characters(choices: &[String]) -> Vec<usize> {
    choices.iter().map(|choice| choice.chars().count()).collect()
}

/// The index that a label means: a number, a number in words, a truth, or the text of a choice.
fn gold(value: &Value, choices: &[String]) -> Option<usize> {
    let index = match value {
        Value::Bool(truth) => Some(usize::from(*truth)),
        Value::Number(number) => number.as_u64().map(|index| index as usize),
        Value::String(text) => text.parse().ok().or_else(|| choices.iter().position(|c| c == text)),
        _ => None,
    };
    index.filter(|&index| index < choices.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(task: &str, json: &str) -> Result<Question, Error> {
        Question::new(
            &TaskFile::named(task).unwrap(),
            &Templates::new(),
            &serde_json::from_str(json).unwrap(),
            3,
        )
    }

    fn requests(task: &str, json: &str) -> Vec<(String, String)> {
        ask(task, json).unwrap().requests
    }

    #[test]
    fn piqa_asks_for_the_solution() {
        let row = r#"{"goal":"boil an egg","sol1":"in water","sol2":"in  sand ","label":0}"#;
        let question = ask("piqa", row).unwrap();
        assert_eq!(question.requests[1], ("Question: boil an egg\nAnswer:".into(), " in  sand ".into()));
        assert_eq!((question.lengths.as_slice(), question.gold), (&[8, 9][..], Some(0)));
        assert_eq!(
            question.example(&TaskFile::named("piqa").unwrap()),
            "Question: boil an egg\nAnswer: in water\n\n"
        );
    }

    #[test]
    fn hellaswag_is_cleaned_and_its_label_is_a_text() {
        let row = r#"{"activity_label":"Baking","ctx_a":"She mixes.","ctx_b":"THE dough","endings":["rises [title] Slowly","[step] falls"],
            "label":"1"}"#;
        let question = ask("hellaswag", row).unwrap();
        assert_eq!(question.requests[0].0, "Baking: She mixes. The dough");
        assert_eq!(question.requests[0].1, " rises. Slowly");
        assert_eq!(question.requests[1].1, "  falls");
        assert_eq!(question.gold, Some(1));
    }

    #[test]
    fn winogrande_scores_one_ending_after_two_beginnings() {
        let row = r#"{"sentence":"Ann thanked Eve because _ had helped . ","option1":"Ann","option2":"Eve","answer":"2"}"#;
        let question = ask("winogrande", row).unwrap();
        assert_eq!(question.requests[1], ("Ann thanked Eve because Eve".into(), " had helped .".into()));
        assert_eq!(question.gold, Some(1));
        let example = question.example(&TaskFile::named("winogrande").unwrap());
        assert_eq!(example, "Ann thanked Eve because Eve had helped .\n\n");
    }

    #[test]
    fn arc_and_openbookqa_take_the_hub_s_rows_and_their_authors() {
        let hub = r#"{"question":"What is hot?","question_stem":"What is hot?","choices":{"text":["ice","fire"],"label":["A","B"]},"answerKey":"B"}"#;
        let authors = r#"{"question":{"stem":"What is hot?","choices":[{"text":"ice","label":"A"},{"text":"fire","label":"B"}]},"answerKey":"B"}"#;
        for task in ["arc_easy", "arc_challenge", "openbookqa"] {
            assert_eq!(ask(task, hub).unwrap(), ask(task, authors).unwrap());
            assert_eq!(ask(task, hub).unwrap().gold, Some(1));
        }
        assert_eq!(requests("arc_easy", hub)[1], ("Question: What is hot?\nAnswer:".into(), " fire".into()));
        assert_eq!(requests("openbookqa", hub)[0].0, "What is hot?");
    }

    #[test]
    fn boolq_takes_a_label_or_an_answer() {
        let hub = r#"{"passage":"Ice is cold.","question":"is ice hot","label":0}"#;
        let authors = r#"{"passage":"Ice is cold.","question":"is ice hot","answer":false}"#;
        assert_eq!(ask("boolq", hub).unwrap(), ask("boolq", authors).unwrap());
        assert_eq!(
            requests("boolq", hub)[1],
            ("Ice is cold.\nQuestion: is ice hot?\nAnswer:".into(), " yes".into())
        );
    }

    #[test]
    fn copa_joins_premise_and_choice_by_the_word_that_is_asked_for() {
        let row = r#"{"premise":"The lamp went out. ","choice1":"It was old.","choice2":"He slept.","question":"effect","label":1}"#;
        let question = ask("copa", row).unwrap();
        assert_eq!(question.requests[1], ("The lamp went out therefore".into(), "  he slept.".into()));
        assert_eq!(question.gold, Some(1));
        let cause = requests("copa", &row.replace("effect", "cause"));
        assert_eq!(cause[0], ("The lamp went out because".into(), "  it was old.".into()));
    }

    #[test]
    fn sciq_has_its_support_first_and_its_answer_last() {
        let row = r#"{"question":"What shines?","distractor1":"a","distractor2":"b","distractor3":"c","correct_answer":"gold","support":" Gold shines. "}"#;
        let question = ask("sciq", row).unwrap();
        let context = "Gold shines. \nQuestion: What shines?\nAnswer:";
        assert_eq!(question.requests[3], (context.into(), " gold".into()));
        assert_eq!(question.gold, Some(3));
    }

    #[test]
    fn mmlu_names_the_subject_and_asks_for_a_letter() {
        let row = r#"{"question":" Two and three?","subject":"high_school_mathematics","choices":["4","5","6","7"],"answer":1}"#;
        let question = ask("mmlu", row).unwrap();
        let context = "The following are multiple choice questions (with answers) about high school mathematics.\n\n\
                       Two and three?\nA. 4\nB. 5\nC. 6\nD. 7\nAnswer:";
        assert_eq!(question.requests[1], (context.into(), " B".into()));
        assert_eq!((question.requests.len(), question.gold), (4, Some(1)));
    }

    #[test]
    fn lambada_asks_for_the_last_word() {
        let whole = requests("lambada_openai", r#"{"text":"In the beginning\nwas the word"}"#);
        assert_eq!(whole, [("In the beginning\nwas the".into(), " word".into())]);
        let apart = r#"{"context":"In the beginning\nwas the","continuation":"word"}"#;
        assert_eq!(requests("lambada_openai", apart), whole);
    }

    #[test]
    fn triviaqa_accepts_every_alias_and_shows_the_first() {
        let row = r#"{"question":"Who built the ark?","answer":{"aliases":["Noah","Utnapishtim"],"value":"Utnapishtim"}}"#;
        let question = ask("triviaqa", row).unwrap();
        assert_eq!(question.requests, [("Question: Who built the ark??\nAnswer:".into(), String::new())]);
        assert_eq!(
            (question.answers.as_slice(), question.gold),
            (&["Noah".into(), "Utnapishtim".into()][..], None)
        );
        let example = question.example(&TaskFile::named("triviaqa").unwrap());
        assert_eq!(example, "Question: Who built the ark??\nAnswer: Noah\n\n");
    }

    #[test]
    fn a_row_without_an_accepted_answer_is_an_error_that_names_it() {
        for (answer, part) in [
            (r#","answer":{"aliases":[]}"#, "no accepted answer"),
            (r#","answer":{"aliases":"Noah"}"#, "list of texts"),
            (r#","answer":{"aliases":[4]}"#, "list of texts"),
            (r#","answer":{"value":"Noah"}"#, "answers"),
            ("", "the row has no `answer`"),
        ] {
            let row = format!(r#"{{"question":"Who?"{answer}}}"#);
            let says = ask("triviaqa", &row).unwrap_err().to_string();
            assert!(says.contains("row 3") && says.contains(part), "{answer}: {says}");
        }
    }

    #[test]
    fn missing_label_is_an_error_that_names_the_row() {
        for label in [r#","label":-1"#, r#","label":"""#, r#","label":2"#, r#","label":null"#, ""] {
            let row = format!(r#"{{"goal":"g","sol1":"a","sol2":"b"{label}}}"#);
            let says = ask("piqa", &row).unwrap_err().to_string();
            assert!(says.contains("row 3"), "{label}: {says}");
        }
    }
}
