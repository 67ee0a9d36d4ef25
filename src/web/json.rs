//! How bodies, queries, forms and paths that cannot be understood are answered. Handlers use actix's own extractors.

use actix_web::{
    Error, HttpRequest,
    error::{JsonPayloadError, PathError, QueryPayloadError, UrlencodedError},
    web,
};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::{
    limits::BODY_BYTES_MAX,
    web::problem::{Code, Problem},
};

/// The rules for all extractors: `App::configure(json::configure)`.
pub fn configure(app: &mut web::ServiceConfig) {
    app.app_data(web::JsonConfig::default().limit(BODY_BYTES_MAX).error_handler(|e, _| json_problem(&e).into()))
        .app_data(web::FormConfig::default().limit(BODY_BYTES_MAX).error_handler(form_problem))
        .app_data(web::QueryConfig::default().error_handler(query_problem))
        .app_data(web::PathConfig::default().error_handler(path_problem))
        .app_data(web::PayloadConfig::new(BODY_BYTES_MAX));
}

fn json_problem(error: &JsonPayloadError) -> Problem {
    match error {
        JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => Code::TooLarge.into(),
        JsonPayloadError::ContentType => Code::UnsupportedType.into(),
        JsonPayloadError::Deserialize(wrong) if wrong.classify() == Category::Data => {
            Problem::new(Code::Invalid).detail(sentence(&wrong.to_string()))
        }
        _ => Code::Malformed.into(),
    }
}

/// A body that may be left out: nothing is the default, anything else must fit.
///
/// # Errors
/// As for a body that must be there.
pub fn optional<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|wrong| json_problem(&JsonPayloadError::Deserialize(wrong)))
}

/// What serde says about a field, without the place in the text.
fn sentence(told: &str) -> String {
    let told = told.rsplit_once(" at line ").map_or(told, |(told, _)| told);
    format!("The body does not fit: {told}.")
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of an error handler")]
fn form_problem(error: UrlencodedError, _: &HttpRequest) -> Error {
    match error {
        UrlencodedError::Overflow { .. } => Problem::new(Code::TooLarge),
        UrlencodedError::ContentType => Problem::new(Code::UnsupportedType),
        UrlencodedError::Parse(_) => Problem::new(Code::Invalid),
        _ => Problem::new(Code::Malformed),
    }
    .into()
}

fn query_problem(_: QueryPayloadError, _: &HttpRequest) -> Error {
    Problem::new(Code::Invalid).detail("The query of the address does not fit.").into()
}

/// An id of another kind names nothing.
fn path_problem(_: PathError, _: &HttpRequest) -> Error {
    Problem::new(Code::NotFound).into()
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, test};

    use super::*;
    use crate::ids::TeamId;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        #[expect(dead_code, reason = "only its reading is tested")]
        name: String,
    }

    #[actix_web::test]
    async fn what_cannot_be_understood_is_told_apart() {
        let app = App::new()
            .configure(configure)
            .route("/", web::post().to(|_: web::Json<Named>| async { HttpResponse::Ok().finish() }))
            .route("/{id}", web::get().to(|_: web::Path<TeamId>| async { HttpResponse::Ok().finish() }));
        let app = test::init_service(app).await;
        let large = format!("{{\"name\":\"{}\"}}", "x".repeat(BODY_BYTES_MAX));
        for (kind, body, status) in [
            ("application/json", "{\"name\":\"a\"}", 200),
            ("application/json", "{\"name\":\"a\",\"role\":\"owner\"}", 422),
            ("application/json", "{\"name\":\"a\",\"name\":\"b\"}", 422),
            ("application/json", "{\"name\":1}", 422),
            ("application/json", "{\"name\":", 400),
            ("application/json", "{\"name\":\"\u{0}\"}", 400),
            ("text/plain", "{\"name\":\"a\"}", 415),
            ("application/json", &large, 413),
        ] {
            let request = test::TestRequest::post().insert_header(("content-type", kind)).set_payload(body.to_owned());
            let answer = test::call_service(&app, request.to_request()).await;
            assert_eq!(answer.status().as_u16(), status, "{kind} {}", &body[..body.len().min(60)]);
        }
        let answer = test::call_service(&app, test::TestRequest::get().uri("/usr_1").to_request()).await;
        assert_eq!(answer.status().as_u16(), 404);
    }
}
