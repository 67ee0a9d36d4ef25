//! The two JSON forms of the media server: sparse camelCase in webhooks, complete `snake_case` in answers to calls.
//!
//! Twirp answers JSON callers with the names of the protobuf definition and with every field, empty or not; the generated
//! serialisation writes the other form. So an answer is the generated form laid over a form of all fields.

use std::io;

use livekit_protocol::WebhookEvent;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The body of a webhook, byte for byte in the server's manner: fields in the order of the definition and a blank after
/// each comma, so that a receiver that writes the body anew before hashing it is found out.
pub fn webhook_body(event: &WebhookEvent) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut body, Blanks);
    event.serialize(&mut writer).expect("an event is plain JSON");
    body
}

struct Blanks;

impl serde_json::ser::Formatter for Blanks {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
}

/// The shape of an answer.
#[derive(Clone, Copy)]
pub enum Form {
    /// No fields.
    Nothing,
    /// `Room`.
    Room,
    /// `ListRoomsResponse`.
    Rooms,
    /// `ParticipantInfo`.
    Participant,
    /// `ListParticipantsResponse`.
    Participants,
    /// `MuteRoomTrackResponse`.
    Muted,
}

/// An answer with all its fields.
pub fn answer(form: Form, message: &impl Serialize) -> Value {
    let sparse = serde_json::to_value(message).expect("an answer is plain JSON");
    fill(&form.template(), Some(sparse))
}

impl Form {
    fn template(self) -> Value {
        match self {
            Self::Nothing => json!({}),
            Self::Room => room(),
            Self::Rooms => json!({"rooms": [room()]}),
            Self::Participant => participant(),
            Self::Participants => json!({"participants": [participant()]}),
            Self::Muted => json!({"track": {"?": track()}}),
        }
    }
}

/// Lays `sparse` over a template. In a template `{"?": …}` is a message that may be absent, `{"*": …}` a map with free
/// keys, and a list holds the template of its items.
fn fill(template: &Value, sparse: Option<Value>) -> Value {
    match template {
        Value::Object(fields) if fields.contains_key("?") => {
            sparse.map_or(Value::Null, |value| fill(&fields["?"], Some(value)))
        }
        Value::Object(fields) if fields.contains_key("*") => sparse.unwrap_or_else(|| json!({})),
        Value::Object(fields) => {
            let mut told = sparse.and_then(|value| value.as_object().cloned()).unwrap_or_default();
            let full = fields.iter().map(|(name, field)| (name.clone(), fill(field, told.remove(&camel(name)))));
            Value::Object(full.collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            let told = sparse.and_then(|value| value.as_array().cloned()).unwrap_or_default();
            Value::Array(
                told.into_iter().map(|value| items.first().map_or(Value::Null, |t| fill(t, Some(value)))).collect(),
            )
        }
        plain => sparse.unwrap_or_else(|| plain.clone()),
    }
}

fn camel(snake: &str) -> String {
    let mut parts = snake.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        let head = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &head.into_iter().chain(letters).collect::<String>()
    })
}

fn timed_version() -> Value {
    json!({"?": {"unix_micro": "0", "ticks": 0}})
}

fn room() -> Value {
    json!({
        "sid": "", "name": "", "empty_timeout": 0, "departure_timeout": 0, "max_participants": 0, "creation_time": "0",
        "creation_time_ms": "0", "turn_password": "", "enabled_codecs": [{"mime": "", "fmtp_line": ""}],
        "metadata": "", "num_participants": 0, "num_publishers": 0, "active_recording": false,
        "version": timed_version(),
    })
}

fn participant() -> Value {
    json!({
        "sid": "", "identity": "", "state": "JOINING", "tracks": [track()], "metadata": "", "joined_at": "0",
        "joined_at_ms": "0", "name": "", "version": 0, "permission": {"?": {
            "can_subscribe": false, "can_publish": false, "can_publish_data": false, "can_publish_sources": [""],
            "hidden": false, "recorder": false, "can_update_metadata": false, "agent": false,
            "can_subscribe_metrics": false, "can_manage_agent_session": false,
        }},
        "region": "", "is_publisher": false, "kind": "STANDARD", "attributes": {"*": ""},
        "disconnect_reason": "UNKNOWN_REASON", "kind_details": [""], "data_tracks": [], "client_protocol": 0,
        "capabilities": [""],
    })
}

fn track() -> Value {
    let layers = json!([{
        "quality": "LOW", "width": 0, "height": 0, "bitrate": 0, "ssrc": 0, "spatial_layer": 0, "rid": "",
        "repair_ssrc": 0,
    }]);
    json!({
        "sid": "", "type": "AUDIO", "name": "", "muted": false, "width": 0, "height": 0, "simulcast": false,
        "disable_dtx": false, "source": "UNKNOWN", "layers": layers.clone(), "mime_type": "", "mid": "", "codecs": [{
            "mime_type": "", "mid": "", "cid": "", "layers": layers, "video_layer_mode": "MODE_UNUSED", "sdp_cid": "",
        }],
        "stereo": false, "disable_red": false, "encryption": "NONE", "stream": "", "version": timed_version(),
        "audio_features": [""], "backup_codec_policy": "PREFER_REGRESSION", "packet_trailer_features": [""],
    })
}

#[cfg(test)]
mod tests {
    use livekit_protocol::{Codec, ListRoomsResponse, Room};

    use super::*;

    #[test]
    fn an_answer_names_every_field_as_the_definition_does() {
        let codec = Codec { mime: "video/VP8".to_owned(), fmtp_line: String::new() };
        let one = Room { name: "show".to_owned(), creation_time: 7, enabled_codecs: vec![codec], ..Room::default() };
        let told = answer(Form::Rooms, &ListRoomsResponse { rooms: vec![one] });
        let room = &told["rooms"][0];
        assert_eq!(room["creation_time"], "7");
        assert_eq!(room["num_participants"], 0);
        assert_eq!(room["enabled_codecs"][0], json!({"mime": "video/VP8", "fmtp_line": ""}));
        assert_eq!(room["version"], Value::Null);
        assert_eq!(room.as_object().unwrap().len(), 14);
        assert_eq!(answer(Form::Rooms, &ListRoomsResponse::default()), json!({"rooms": []}));
    }

    #[test]
    fn a_webhook_has_the_fields_of_the_recorded_ones_in_their_order_and_blanks() {
        let room = Room { sid: "RM_1".to_owned(), creation_time: 1_795_265_384, ..Room::default() };
        let event = WebhookEvent {
            event: "room_started".to_owned(),
            room: Some(room),
            id: "EV_1".to_owned(),
            created_at: 5,
            ..WebhookEvent::default()
        };
        let body = String::from_utf8(webhook_body(&event)).unwrap();
        let wanted = r#"{"event":"room_started", "room":{"sid":"RM_1", "creationTime":"1795265384"}, "id":"EV_1", "createdAt":"5"}"#;
        assert_eq!(body, wanted);
    }
}
