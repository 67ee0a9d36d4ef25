//! The browser bundle, built in. A binary built without it runs, and its pages say how to build it.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use rust_embed::{Embed, EmbeddedFile};

use super::view::layout::Bundle;
use crate::web::problem::{Code, Problem};

#[derive(Embed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

const MANIFEST: &str = "manifest.json";

/// The names of the bundle's files, where it was built.
#[must_use]
pub fn bundle() -> Option<Arc<Bundle>> {
    let manifest = Dist::get(MANIFEST)?;
    match serde_json::from_slice(&manifest.data) {
        Ok(bundle) => Some(Arc::new(bundle)),
        Err(wrong) => {
            tracing::error!(%wrong, "the browser bundle's manifest cannot be read");
            None
        }
    }
}

/// Registers the files.
pub fn register(app: &mut web::ServiceConfig) {
    app.route("/assets/{file:.*}", web::get().to(file));
}

async fn file(request: HttpRequest, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    // only names that were built in exist: nothing is looked up on a disk
    let found: EmbeddedFile = Dist::get(&name).filter(|_| *name != MANIFEST).ok_or(Code::NotFound)?;
    let tag = format!("\"{}\"", hex(&found.metadata.sha256_hash()[..16]));
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(HttpResponse::NotModified().finish());
    }
    // names with a hash in them never change what they name
    let hashed = name.rsplit('/').next().is_some_and(|file| file.split(['-', '.']).any(|part| part.len() == 8));
    let cache = if hashed { "public, max-age=31536000, immutable" } else { "public, max-age=300" };
    Ok(HttpResponse::Ok()
        .content_type(found.metadata.mimetype())
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::ETAG, tag))
        .body(found.data.into_owned()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}
