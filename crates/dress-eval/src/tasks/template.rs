//! The template language of task files: Jinja, as `lm_eval`'s, with the few filters that tasks need.

use crate::Error;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use regex::Regex;
use serde_json::{Map, Value as Json};
use std::collections::HashSet;

/// One row of a data set, by its fields' names.
pub type Row = Map<String, Json>;

/// Templates and expressions of one task, each under the name of its field in the task file.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

/// What a template may use up for one row, so that one that would never end does: as many steps, or 64 times
/// as many bytes.
const FUEL: u64 = 2_000_000;

impl Templates {
    /// No templates yet.
    pub fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment
            .set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build().expect("Jinja's own"));
        environment.add_filter("strip", |text: String| strip(&text).to_string());
        environment.add_filter("lstrip", |text: String| text.trim_start_matches(is_python_space).to_string());
        environment.add_filter("capitalize", |text: String| capitalize(&text));
        environment.add_filter("wikihow", |text: String| wikihow(&text));
        environment.add_filter("regex_replace", regex_replace);
        environment.add_filter("index", index);
        environment.add_filter("before", |text: String, mark: String| {
            split(&text, &mark).map(|(before, _)| before.to_string())
        });
        environment.add_filter("after", |text: String, mark: String| {
            split(&text, &mark).map(|(_, after)| after.to_string())
        });
        environment.add_filter("before_last", |text: String, mark: String| {
            text.rsplit_once(mark.as_str()).map_or(String::new(), |(before, _)| before.into())
        });
        environment.add_filter("after_last", |text: String, mark: String| {
            text.rsplit_once(mark.as_str()).map_or(text.clone(), |(_, after)| after.into())
        });
        Self { environment }
    }

    /// The text of a template for one row.
    ///
    /// # Errors
    /// [`Error::Template`], with the field of the task file and the row.
    pub fn text(
        &self,
        field: &'static str,
        template: &str,
        row: &Row,
        number: usize,
    ) -> Result<String, Error> {
        let rendered = self.environment.render_str(template, Value::from(Serde(row)));
        rendered.map_err(|error| {
            let names =
                || Some(self.environment.template_from_str(template).ok()?.undeclared_variables(false));
            absent(names(), field, row, number).unwrap_or_else(|| failed(field, number, &error))
        })
    }

    /// The value of an expression for one row.
    ///
    /// # Errors
    /// As [`Templates::text`].
    pub fn value(
        &self,
        field: &'static str,
        expression: &str,
        row: &Row,
        number: usize,
    ) -> Result<Json, Error> {
        let value = self
            .environment
            .compile_expression(expression)
            .and_then(|expression| expression.eval(Value::from(Serde(row))))
            .map_err(|error| {
                self.absent(field, expression, row, number).unwrap_or_else(|| failed(field, number, &error))
            })?;
        if value.kind() == ValueKind::Undefined {
            let reason = format!("`{expression}` is not in the row");
            return Err(Error::Template { field, row: number, reason });
        }
        serde_json::to_value(&value).map_err(|error| Error::Template {
            field,
            row: number,
            reason: error.to_string(),
        })
    }

    /// The texts of an expression that makes a list of them.
    ///
    /// # Errors
    /// As [`Templates::text`], and where it is no list of texts.
    pub fn texts(
        &self,
        field: &'static str,
        expression: &str,
        row: &Row,
        number: usize,
    ) -> Result<Vec<String>, Error> {
        let value = self.value(field, expression, row, number)?;
        let texts = match &value {
            Json::Array(items) => items.iter().map(|item| item.as_str().map(String::from)).collect(),
            _ => None,
        };
        texts.ok_or_else(|| {
            let reason = format!("expected a list of texts, found {value}");
            let other = Error::Template { field, row: number, reason };
            self.absent(field, expression, row, number).unwrap_or(other)
        })
    }

    /// The error of an expression that asks for what is not in the row, if it does.
    fn absent(&self, field: &'static str, expression: &str, row: &Row, number: usize) -> Option<Error> {
        let compiled = self.environment.compile_expression(expression).ok();
        absent(compiled.map(|compiled| compiled.undeclared_variables(false)), field, row, number)
    }
}

impl Default for Templates {
    fn default() -> Self {
        Self::new()
    }
}

/// Names that Jinja itself has.
const FUNCTIONS: [&str; 4] = ["range", "dict", "namespace", "debug"];

/// The error where a row lacks some of `names`.
fn absent(names: Option<HashSet<String>>, field: &'static str, row: &Row, number: usize) -> Option<Error> {
    let mut lacking: Vec<String> = names?
        .into_iter()
        .filter(|name| !row.contains_key(name) && !FUNCTIONS.contains(&name.as_str()))
        .map(|name| format!("`{name}`"))
        .collect();
    lacking.sort();
    let reason = format!("the row has no {}", lacking.join(" and no "));
    (!lacking.is_empty()).then_some(Error::Template { field, row: number, reason })
}

fn failed(field: &'static str, row: usize, error: &minijinja::Error) -> Error {
    let reason = match error.detail() {
        _ if error.kind() == ErrorKind::OutOfFuel => format!(
            "it takes more than {FUEL} steps or makes a text of over {} MB for one row; take its loops out, or prepare the rows \
             beforehand",
            FUEL * 64 / 1_000_000
        ),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    Error::Template { field, row, reason }
}

/// What Python's `str.strip` takes off, which is a little more than Rust's `trim`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_python_space)
}

/// Whether Python's `str.isspace` says so.
pub(crate) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// Python's `str.capitalize`: the first letter upper case, all others lower.
fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters.as_str().to_lowercase().chars()).collect()
    })
}

/// What `lm_eval`'s HellaSwag does to the texts that come from WikiHow.
fn wikihow(text: &str) -> String {
    let text = strip(text).replace(" [title]", ". ");
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // `\[.*?\]`: up to the next closing bracket of the same line.
    while let Some(open) = rest.find('[') {
        let (before, bracket) = rest.split_at(open);
        kept.push_str(before);
        let close = bracket.find([']', '\n']).filter(|&at| bracket[at..].starts_with(']'));
        match close {
            Some(close) => rest = &bracket[close + 1..],
            None => {
                kept.push('[');
                rest = &bracket[1..];
            }
        }
    }
    kept.push_str(rest);
    kept.replace("  ", " ")
}

fn regex_replace(
    text: String,
    pattern: String,
    by: String,
    options: Kwargs,
) -> Result<String, minijinja::Error> {
    let count: Option<usize> = options.get("count")?;
    options.assert_all_used()?;
    // What a filter makes is counted once it is there.
    let longest = text.len().saturating_add(1).saturating_mul(by.len().saturating_add(1));
    if longest as u64 > FUEL * 64 {
        let detail = "regex_replace could make too long a text; shorten what it puts in";
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, detail));
    }
    let invalid = |error: regex::Error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string());
    let regex = Regex::new(&pattern).map_err(invalid)?;
    Ok(regex.replacen(&text, count.unwrap_or(0), by.as_str()).into_owned())
}

/// Where a value is in a list, as Python's `list.index`.
fn index(list: Value, value: Value) -> Result<usize, minijinja::Error> {
    let place = list.try_iter()?.position(|item| item == value);
    place.ok_or_else(|| {
        let detail = format!("{value} is not one of {list}");
        minijinja::Error::new(ErrorKind::InvalidOperation, detail)
    })
}

fn split<'a>(text: &'a str, mark: &str) -> Result<(&'a str, &'a str), minijinja::Error> {
    text.split_once(mark).ok_or_else(|| {
        let detail = format!("there is no `{mark}` in `{text}`");
        minijinja::Error::new(ErrorKind::InvalidOperation, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Row {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn texts_are_cleaned_as_python_does_it() {
        assert_eq!(capitalize("he SAID é"), "He said é");
        assert_eq!(capitalize(""), "");
        assert_eq!(wikihow(" a [title] b [step] c  d [open\n] e "), "a. b c d [open\n] e");
        assert_eq!(strip("\u{1f} a\u{a0}"), "a");
    }

    #[test]
    fn templates_see_the_fields_and_keep_line_ends() {
        let templates = Templates::new();
        let row = row(r#"{"a":"x","list":["p","q"],"deep":{"label":["A","B"]},"key":"B"}"#);
        assert_eq!(templates.text("context", "{{ a }}<&>\n", &row, 1).unwrap(), "x<&>\n");
        assert_eq!(templates.texts("choices", "[a, list[1]]", &row, 1).unwrap(), ["x", "q"]);
        assert_eq!(templates.value("gold", "deep.label | index(key)", &row, 1).unwrap(), 1);
        assert_eq!(templates.text("context", "{{ 'a_b_c' | after('_') }}", &row, 1).unwrap(), "b_c");
        assert_eq!(templates.text("context", "{{ 'a b c' | before_last(' ') }}", &row, 1).unwrap(), "a b");
        let replaced = templates.text("context", "{{ 'aXbX' | regex_replace('X', '-') }}", &row, 1).unwrap();
        assert_eq!(replaced, "a-b-");
    }

    #[test]
    fn loops_and_texts_without_end_are_refused_in_no_time() {
        let templates = Templates::new();
        let row = row(r#"{"a":"x"}"#);
        let began = std::time::Instant::now();
        let nested =
            "{% for i in range(99999) %}{% for j in range(99999) %}{{ i * j }}{% endfor %}{% endfor %}";
        let silent = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}";
        let doubled = "{% set x = 'x' %}".to_string() + &"{% set x = x ~ x %}".repeat(60);
        for endless in
            [nested, silent, &doubled, "{{ 'x' * 1000000000 }}", "{{ range(99999) | list * 99999 }}"]
        {
            let said = templates.text("context", endless, &row, 1).unwrap_err().to_string();
            assert!(said.contains("context"), "{said}");
            assert!(!endless.contains("for") || said.contains("take its loops out"), "{said}");
        }
        let list = "[range(99999) | map('string') | join(a * 9999)]";
        assert!(templates.texts("choices", list, &row, 1).unwrap_err().to_string().contains("loops"));
        let replaced = "{{ ('x' * 9999) | regex_replace('x', 'y' * 99999) }}";
        assert!(templates.text("context", replaced, &row, 1).is_err());
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
        // What tasks need is far below.
        let used = templates.text("context", "{% for i in range(9999) %}{{ a * 100 }}{% endfor %}", &row, 1);
        assert_eq!(used.unwrap().len(), 999_900);
    }

    #[test]
    fn a_field_that_is_not_there_names_the_row() {
        let templates = Templates::new();
        let says = templates.text("context", "{{ goal }}", &row("{}"), 7).unwrap_err().to_string();
        assert!(says.contains("row 7") && says.contains("context"), "{says}");
        assert!(templates.value("gold", "label", &row("{}"), 7).is_err());
        let blank = templates.text("contexts", "{{ 'no blank' | before('_') }}", &row("{}"), 2).unwrap_err();
        assert!(blank.to_string().contains("no `_`"), "{blank}");
    }
}
