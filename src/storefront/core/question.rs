//! What a seller asks before checkout, and what a buyer answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::field::Check;
use crate::limits::{ANSWER_CHARS_MAX, LINE_CHARS_MAX, QUESTION_ID_CHARS_MAX, QUESTIONS_MAX};

/// A question of a seller.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Question {
    /// Its name among the questions of the pass; stays when the words change.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// Whether nobody comes past it without an answer.
    pub required: bool,
}

/// A question somebody wants to ask.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuestionAsk {
    /// Its name, small letters and digits; the next free one of `q1`, `q2` … when absent.
    pub id: Option<String>,
    /// What is asked.
    pub text: String,
    /// Whether an answer is needed; not when absent.
    #[serde(default)]
    pub required: bool,
}

/// An answer as it is kept: the words of the question stand beside it, since they may change later.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
pub struct Answer {
    /// Which question.
    pub id: String,
    /// Its words when it was answered.
    pub question: String,
    /// What was answered.
    pub answer: String,
}

/// The questions of a pass, checked; wrong ones are noted.
pub fn judge(check: &mut Check, asked: &[QuestionAsk]) -> Vec<Question> {
    if asked.len() > QUESTIONS_MAX {
        check.wrong("questions", format!("Keep it to {QUESTIONS_MAX} questions."));
        return Vec::new();
    }
    let mut taken: Vec<String> = Vec::with_capacity(asked.len());
    for id in asked.iter().filter_map(|ask| ask.id.as_deref()) {
        let good = (1..=QUESTION_ID_CHARS_MAX).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !good {
            check.wrong("questions", "Name a question with small letters and digits.");
        }
        if taken.iter().any(|one| one == id) {
            check.wrong("questions", format!("Two questions are named {id}."));
        }
        taken.push(id.to_owned());
    }
    let mut fresh = (1..).map(|number| format!("q{number}"));
    let mut questions = Vec::with_capacity(asked.len());
    for ask in asked {
        let id = ask.id.clone().or_else(|| fresh.find(|id| !taken.contains(id))).unwrap_or_default();
        questions.push(Question {
            id,
            text: check.line("questions", &ask.text, LINE_CHARS_MAX),
            required: ask.required,
        });
    }
    questions
}

/// The answers to the questions of a pass; missing, too long and unasked ones are noted.
pub fn answered(check: &mut Check, questions: &[Question], given: &BTreeMap<String, String>) -> Vec<Answer> {
    if given.keys().any(|id| !questions.iter().any(|question| question.id == *id)) {
        check.wrong("answers", "This answers a question that is not asked. Load the page again.");
    }
    let mut answers = Vec::new();
    for question in questions {
        let given = given.get(&question.id).map(String::as_str);
        match check.optional_text("answers", given, ANSWER_CHARS_MAX) {
            Some(answer) => answers.push(Answer { id: question.id.clone(), question: question.text.clone(), answer }),
            None if question.required => check.wrong("answers", format!("Please answer: {}", question.text)),
            None => {}
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(json: &str) -> Vec<QuestionAsk> {
        serde_json::from_str(json).unwrap()
    }

    fn judged(json: &str) -> Result<Vec<Question>, usize> {
        let mut check = Check::new();
        let questions = judge(&mut check, &asks(json));
        check.done(questions).map_err(|wrong| wrong.len())
    }

    #[test]
    fn questions_without_a_name_get_the_next_free_one() {
        let questions = judged(r#"[{"text":"A?"},{"id":"q1","text":"B?","required":true},{"text":"C?"}]"#).unwrap();
        let seen: Vec<_> = questions.iter().map(|q| (q.id.as_str(), q.required)).collect();
        assert_eq!(seen, [("q2", false), ("q1", true), ("q3", false)]);
    }

    #[test]
    fn questions_twice_nameless_wordless_or_too_many_are_refused() {
        assert_eq!(judged(r#"[{"id":"a","text":"A?"},{"id":"a","text":"B?"}]"#), Err(1));
        assert_eq!(judged(r#"[{"id":"A b","text":"A?"}]"#), Err(1));
        assert_eq!(judged(r#"[{"text":"  "}]"#), Err(1));
        let many = format!("[{}]", [r#"{"text":"A?"}"#; QUESTIONS_MAX + 1].join(","));
        assert_eq!(judged(&many), Err(1));
    }

    #[test]
    fn an_answer_keeps_the_words_of_its_question_and_a_needed_one_is_asked_for() {
        let questions =
            judged(r#"[{"id":"team","text":"Your team?","required":true},{"id":"why","text":"Why?"}]"#).unwrap();
        let answers = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect();
            let mut check = Check::new();
            let answers = answered(&mut check, &questions, &given);
            check.done(answers).map_err(|wrong| wrong.into_iter().map(|w| w.message).collect::<Vec<_>>())
        };
        let kept = answers(&[("team", " Red "), ("why", "")]).unwrap();
        assert_eq!(kept, [Answer { id: "team".into(), question: "Your team?".into(), answer: "Red".into() }]);
        assert_eq!(answers(&[("why", "Because")]), Err(vec!["Please answer: Your team?".into()]));
        assert_eq!(answers(&[("team", "Red"), ("other", "x")]).unwrap_err().len(), 1);
        assert_eq!(answers(&[("team", &"x".repeat(ANSWER_CHARS_MAX + 1))]).unwrap_err().len(), 1);
    }
}
