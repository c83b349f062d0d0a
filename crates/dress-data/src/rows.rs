//! Rows that hold their text in fields of known names.

use serde_json::{Map, Value};

/// The prompt that Alpaca's models were trained with, for rows with and without an input.
const WITH_INPUT: &str = "Below is an instruction that describes a task, paired with an input that provides further \
                          context. Write a response that appropriately completes the request.";
const WITHOUT_INPUT: &str = "Below is an instruction that describes a task. Write a response that appropriately \
                             completes the request.";

/// The text of a row: its `text` or `sentence`, or its instruction, input and output in Alpaca's template.
pub(crate) fn alpaca(row: &Map<String, Value>) -> Option<String> {
    let field = |name: &str| row.get(name).and_then(Value::as_str);
    // The Penn Treebank's rows on the hub are sentences.
    if let Some(text) = field("text").or_else(|| field("sentence")) {
        return Some(text.into());
    }
    let (instruction, output) = (field("instruction")?, field("output")?);
    Some(match field("input").filter(|input| !input.is_empty()) {
        Some(input) => format!(
            "{WITH_INPUT}\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n{output}"
        ),
        None => format!("{WITHOUT_INPUT}\n\n### Instruction:\n{instruction}\n\n### Response:\n{output}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn alpaca_rows_take_the_template_that_fits() {
        let with = alpaca(&row(r#"{"instruction":"add","input":"1 2","output":"3"}"#)).unwrap();
        assert!(
            with.contains("paired with an input") && with.ends_with("### Input:\n1 2\n\n### Response:\n3")
        );
        let without = alpaca(&row(r#"{"instruction":"sing","input":"","output":"la"}"#)).unwrap();
        assert!(
            !without.contains("### Input")
                && without.ends_with("### Instruction:\nsing\n\n### Response:\nla")
        );
    }

    #[test]
    fn a_row_without_text_has_none() {
        assert_eq!(alpaca(&row(r#"{"instruction":"sing"}"#)), None);
        assert_eq!(alpaca(&row(r#"{"text": 3}"#)), None);
    }
}
