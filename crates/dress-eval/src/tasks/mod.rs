//! Zero-shot and few-shot tasks, scored as `lm_eval` scores them.

mod answers;
mod asked;
mod fewshot;
mod generated_answer;
mod mersenne_twister;
mod pattern;
mod question;
mod result;
mod rows;
mod run;
mod task_config;
mod task_file;
mod template;

pub use fewshot::FEWSHOT_SEED;
pub use generated_answer::GeneratedAnswer;
pub use pattern::Pattern;
pub use question::Question;
pub use result::{MetricRows, MetricValue, RowResult, Said, TaskResult, paper_average};
pub use rows::Rows;
pub use run::{Task, run_task};
pub use task_config::TaskConfig;
pub use task_file::{Metric, PAPER_TASKS, TaskFile, TaskKind};
pub(crate) use template::is_python_space;
pub use template::{Row, Templates};
