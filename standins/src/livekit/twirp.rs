//! Twirp as the media server speaks it: the encodings, and a refusal as an error body.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::json::{Form, answer};
use super::media::Refusal;

/// How a body is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`.
    Json,
    /// `application/protobuf`.
    Protobuf,
}

/// An error as Twirp tells it.
#[derive(Debug)]
pub struct Denied {
    status: StatusCode,
    code: &'static str,
    msg: String,
    invalid_route: Option<String>,
}

impl Encoding {
    /// The encoding a content type stands for.
    pub fn of(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "application/protobuf" => Some(Self::Protobuf),
            _ => None,
        }
    }

    /// Reads a request.
    pub fn decode<T: prost::Message + Default + DeserializeOwned>(self, body: &[u8]) -> Result<T, Denied> {
        let malformed = |kind: &str| Denied {
            status: StatusCode::BAD_REQUEST,
            code: "malformed",
            msg: format!("the {kind} request could not be decoded"),
            invalid_route: None,
        };
        match self {
            Self::Json => serde_json::from_slice(body).map_err(|_| malformed("json")),
            Self::Protobuf => T::decode(body).map_err(|_| malformed("protobuf")),
        }
    }

    /// Writes an answer.
    pub fn encode<T: prost::Message + serde::Serialize>(self, form: Form, message: &T) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        match self {
            Self::Json => response.content_type("application/json").body(answer(form, message).to_string()),
            Self::Protobuf => response.content_type("application/protobuf").body(message.encode_to_vec()),
        }
    }
}

impl Denied {
    /// A call nobody answers to.
    pub fn bad_route(method: &str, path: &str, msg: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "bad_route", msg, invalid_route: Some(format!("{method} {path}")) }
    }

    /// The error that a status of a planned fault stands for.
    pub fn planned(status: u16) -> Self {
        let code = match status {
            400 => "invalid_argument",
            401 => "unauthenticated",
            403 => "permission_denied",
            404 => "not_found",
            408 => "deadline_exceeded",
            409 => "already_exists",
            412 => "failed_precondition",
            429 => "resource_exhausted",
            501 => "unimplemented",
            503 => "unavailable",
            _ => "internal",
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        Self { status, code, msg: "ordered to fail".to_owned(), invalid_route: None }
    }

    /// The error as a response.
    pub fn response(&self) -> HttpResponse {
        let mut body = json!({"code": self.code, "msg": self.msg});
        if let Some(route) = &self.invalid_route {
            body["meta"] = json!({"twirp_invalid_route": route});
        }
        HttpResponse::build(self.status).insert_header((CONTENT_TYPE, "application/json")).body(body.to_string())
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        let (status, code, msg) = match refusal {
            Refusal::NotPermitted => (401, "unauthenticated", "permissions denied".to_owned()),
            Refusal::NoRoom => (404, "not_found", "requested room does not exist".to_owned()),
            Refusal::NoParticipant => (404, "not_found", "participant does not exist".to_owned()),
            Refusal::NoTrack => (404, "not_found", "track is not found".to_owned()),
            Refusal::Invalid(why) => (400, "invalid_argument", why),
            Refusal::UnmuteOff => (412, "failed_precondition", "remote unmute not enabled".to_owned()),
            Refusal::NoAnswer => (503, "unavailable", "no response from servers".to_owned()),
            Refusal::Full => (429, "resource_exhausted", "room has exceeded its max participants".to_owned()),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code, msg, invalid_route: None }
    }
}
