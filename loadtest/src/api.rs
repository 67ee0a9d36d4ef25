//! The JSON interface as a creator and a tool use it: finding the experience, driving a broadcast, acting on the stand-ins.

use anyhow::{Context, anyhow, bail};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;

use crate::limits::CALL_LIMIT;

/// A client for the engine's JSON interface, with the creator's token where there is one.
#[derive(Clone)]
pub struct Api {
    http: Client,
    url: Url,
    token: Option<String>,
}

/// A broadcast that this run opened, or was told to drive.
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// Its id on the wire.
    pub id: String,
    /// Its state when it was found or made.
    pub state: String,
}

/// How the creator would publish.
#[derive(Clone, Debug)]
pub struct Publisher {
    room: String,
    identity: String,
}

impl Api {
    /// A client for the engine at `url`.
    pub fn new(url: Url, token: Option<String>) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(CALL_LIMIT).build().context("no HTTP client")?;
        Ok(Self { http, url, token })
    }

    /// The id of an experience given as `SPACE/EXPERIENCE` or as an id.
    pub async fn find_experience(&self, name: &str) -> anyhow::Result<String> {
        let Some((space, slug)) = name.split_once('/') else { return Ok(name.to_owned()) };
        let page = self.call(Method::GET, &format!("/api/v1/spaces/{space}/public"), None).await?.accepted()?;
        let experiences = page.get("experiences").or_else(|| page.pointer("/space/experiences"));
        experiences
            .and_then(Value::as_array)
            .and_then(|all| all.iter().find(|one| one["slug"] == slug))
            .and_then(|one| one["id"].as_str())
            .map(str::to_owned)
            .with_context(|| format!("the space {space} shows no experience {slug}"))
    }

    /// Schedules a broadcast. Where one is open already it is taken over only if `adopts`.
    pub async fn open_broadcast(&self, experience: &str, adopts: bool) -> anyhow::Result<Broadcast> {
        let path = format!("/api/v1/experiences/{experience}/broadcasts");
        let answer = self.call(Method::POST, &path, Some(json!({ "title": "Load test" }))).await?;
        let id = match answer.status {
            409 => find_broadcast_id(&answer.body)
                .context("an open broadcast is in the way and the answer does not name it")?,
            _ => return broadcast(&answer.accepted()?),
        };
        if !adopts {
            bail!("the experience has an open broadcast, {id}; end it, or pass --adopt to drive that one");
        }
        broadcast(&self.call(Method::GET, &format!("/api/v1/broadcasts/{id}"), None).await?.accepted()?)
    }

    /// One of `lobby`, `go-live`, `end`, `cancel`.
    pub async fn order(&self, broadcast: &Broadcast, order: &str) -> anyhow::Result<()> {
        let path = format!("/api/v1/broadcasts/{}/{order}", broadcast.id);
        self.call(Method::POST, &path, Some(json!({}))).await?.accepted().map(drop)
    }

    /// Asks how the creator would publish.
    pub async fn publisher(&self, broadcast: &Broadcast) -> anyhow::Result<Publisher> {
        let path = format!("/api/v1/broadcasts/{}/publisher-token", broadcast.id);
        let answer = self.call(Method::POST, &path, Some(json!({}))).await?.accepted()?;
        let text = |name: &str| {
            answer[name].as_str().map(str::to_owned).with_context(|| format!("no {name} in the publisher token"))
        };
        Ok(Publisher { room: text("room")?, identity: text("identity")? })
    }

    /// Plays the creator's side at the media stand-in.
    pub async fn act(&self, standins: &Url, publisher: &Publisher, act: &str) -> anyhow::Result<()> {
        let url = standins.join("/livekit/_act")?;
        let body = json!({ "room": publisher.room, "identity": publisher.identity, "act": act, "kind": "camera" });
        let answer = self.http.post(url).json(&body).send().await.context("the stand-ins do not answer")?;
        if answer.status().is_success() {
            return Ok(());
        }
        bail!("the stand-ins refused to {act}: {} {}", answer.status(), answer.text().await.unwrap_or_default());
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method.clone(), self.url.join(path)?);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.with_context(|| format!("{method} {path} was not answered"))?;
        let status = answer.status().as_u16();
        let body = answer.json().await.unwrap_or(Value::Null);
        Ok(Answer { what: format!("{method} {path}"), status, body })
    }
}

struct Answer {
    what: String,
    status: u16,
    body: Value,
}

impl Answer {
    fn accepted(self) -> anyhow::Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let words = self.body["detail"].as_str().or_else(|| self.body["title"].as_str()).unwrap_or_default();
        let code = self.body["code"].as_str().unwrap_or_default();
        Err(anyhow!("{} was refused: {} {code} {words}", self.what, self.status))
    }
}

fn broadcast(body: &Value) -> anyhow::Result<Broadcast> {
    let body = body.get("broadcast").unwrap_or(body);
    let text =
        |name: &str| body[name].as_str().map(str::to_owned).with_context(|| format!("a broadcast without {name}"));
    Ok(Broadcast { id: text("id")?, state: text("state")? })
}

/// The first broadcast id anywhere in a refusal; the field's name is the engine's affair.
fn find_broadcast_id(body: &Value) -> Option<String> {
    match body {
        Value::String(text) => text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
            .find(|word| word.starts_with("bc_"))
            .map(str::to_owned),
        Value::Array(all) => all.iter().find_map(find_broadcast_id),
        Value::Object(all) => all.values().find_map(find_broadcast_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_broadcast_is_found_in_whatever_field_names_it() {
        let direct = json!({ "code": "broadcast_open", "broadcast": "bc_0190" });
        let spoken = json!({ "code": "broadcast_open", "detail": "The broadcast bc_0190 is open." });
        assert_eq!(find_broadcast_id(&direct).as_deref(), Some("bc_0190"));
        assert_eq!(find_broadcast_id(&spoken).as_deref(), Some("bc_0190"));
        assert_eq!(find_broadcast_id(&json!({ "code": "other" })), None);
    }
}
