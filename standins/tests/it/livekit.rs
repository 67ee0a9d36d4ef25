//! The media server's calls, asked by its own library and by hand.

use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_api::services::room::{CreateRoomOptions, RoomClient, UpdateParticipantOptions};
use livekit_api::services::{ServerError, ServiceError};
use serde_json::json;

use crate::standins::Standins;

fn client(standins: &Standins, secret: &str) -> RoomClient {
    RoomClient::with_api_key(&standins.told("/livekit/url"), &standins.told("/livekit/key"), secret)
}

fn official(standins: &Standins) -> RoomClient {
    client(standins, &standins.told("/livekit/secret"))
}

/// A token of the official library.
pub fn token(standins: &Standins, grants: VideoGrants) -> String {
    AccessToken::with_api_key(&standins.told("/livekit/key"), &standins.told("/livekit/secret"))
        .with_identity("fan")
        .with_grants(grants)
        .to_jwt()
        .unwrap()
}

fn code(error: ServiceError) -> String {
    match error {
        ServiceError::Twirp(ServerError::Twirp(told)) => format!("{}: {}", told.code, told.msg),
        other => panic!("not an answer of the server: {other:?}"),
    }
}

#[tokio::test]
async fn the_official_client_runs_a_room_from_opening_to_closing() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let rooms = official(&standins);
    let options =
        CreateRoomOptions { departure_timeout: 120, metadata: "{}".to_owned(), ..CreateRoomOptions::default() };
    let room = rooms.create_room("show", options).await.unwrap();
    assert_eq!((room.name.as_str(), room.empty_timeout, room.departure_timeout), ("show", 300, 120));
    assert_eq!(rooms.create_room("show", CreateRoomOptions::default()).await.unwrap().sid, room.sid);
    assert!(rooms.list_participants("nowhere").await.unwrap().is_empty());

    standins.act(json!({"room": "show", "identity": "host", "act": "join"})).await;
    standins.act(json!({"room": "show", "identity": "host", "act": "publish", "kind": "camera"})).await;
    let people = rooms.list_participants("show").await.unwrap();
    assert_eq!((people.len(), people[0].tracks.len(), people[0].is_publisher), (1, 1, true));
    let options = UpdateParticipantOptions { metadata: "m".to_owned(), ..UpdateParticipantOptions::default() };
    assert_eq!(rooms.update_participant("show", "host", options).await.unwrap().metadata, "m");
    let muted = rooms.mute_published_track("show", "host", &people[0].tracks[0].sid, true).await.unwrap();
    assert!(muted.muted);
    let unmuted = rooms.mute_published_track("show", "host", &people[0].tracks[0].sid, false).await;
    assert_eq!(code(unmuted.unwrap_err()), "failed_precondition: remote unmute not enabled");

    rooms.remove_participant("show", "host").await.unwrap();
    let gone = rooms.remove_participant("show", "host").await.unwrap_err();
    assert_eq!(code(gone), "not_found: participant does not exist");
    rooms.delete_room("show").await.unwrap();
    assert_eq!(code(rooms.delete_room("show").await.unwrap_err()), "not_found: requested room does not exist");
    assert!(rooms.list_rooms(vec![]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_is_checked_before_the_call_and_each_call_needs_its_grant() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let wrong = client(&standins, "not the secret of this server").list_rooms(vec![]).await;
    assert!(matches!(wrong, Err(ServiceError::Twirp(ServerError::Request(_)))), "a plain text body is no Twirp error");

    let call = async |method: &str, token: Option<String>, body: serde_json::Value| {
        let url = standins.url(&format!("/livekit/twirp/livekit.RoomService/{method}"));
        let request = standins.http.post(url).json(&body);
        let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let denied = (401, r#"{"code":"unauthenticated","msg":"permissions denied"}"#.to_owned());
    assert_eq!(call("ListRooms", None, json!({})).await, denied);
    let list = || token(&standins, VideoGrants { room_list: true, ..VideoGrants::default() });
    assert_eq!(call("ListRooms", Some(list()), json!({})).await, (200, r#"{"rooms":[]}"#.to_owned()));
    assert_eq!(call("CreateRoom", Some(list()), json!({"name": "show"})).await, denied);
    let admin = VideoGrants { room_admin: true, room: "other".to_owned(), ..VideoGrants::default() };
    let admin = token(&standins, admin);
    assert_eq!(call("ListParticipants", Some(admin), json!({"room": "show"})).await, denied);
    let (status, text) = call("ListRooms", Some("nonsense".to_owned()), json!({})).await;
    assert_eq!((status, text.as_str()), (401, "invalid authorization token"));
}

#[tokio::test]
async fn json_callers_get_every_field_under_its_protobuf_name() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let grants = || VideoGrants { room_create: true, room_list: true, ..VideoGrants::default() };
    let response = standins
        .http
        .post(standins.url("/livekit/twirp/livekit.RoomService/CreateRoom"))
        .bearer_auth(token(&standins, grants()))
        .json(&json!({"name": "show", "emptyTimeout": 30, "departure_timeout": 40, "unknown": 1}))
        .send()
        .await
        .unwrap();
    let room: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!((&room["empty_timeout"], &room["departure_timeout"]), (&json!(30), &json!(40)));
    assert_eq!(room["creation_time"].as_str().unwrap().len(), 10);
    assert_eq!((&room["active_recording"], &room["num_participants"]), (&json!(false), &json!(0)));
    let seen = official(&standins).list_rooms(vec!["show".to_owned()]).await.unwrap();
    assert_eq!(seen[0].sid, room["sid"].as_str().unwrap());
}

#[tokio::test]
async fn an_unknown_call_is_refused_as_twirp_does_and_logged() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    for path in ["livekit.Egress/ListEgress", "livekit.RoomService/MoveParticipant"] {
        let path = format!("/livekit/twirp/{path}");
        let (status, told) = standins.ask("POST", &path, Some(json!({}))).await;
        assert_eq!((status, &told["code"]), (404, &json!("bad_route")));
        assert_eq!(told["meta"]["twirp_invalid_route"], format!("POST {path}"));
        let log = standins.log("livekit").await;
        assert_eq!((&log.last().unwrap()["path"], &log.last().unwrap()["status"]), (&json!(path), &json!(404)));
    }
    let (status, _) = standins.ask("POST", "/mux/video/v1/assets", Some(json!({}))).await;
    assert_eq!((status, standins.log("mux").await.len()), (404, 1));
}

#[tokio::test]
async fn a_participant_joins_with_a_token_only_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let standins = Standins::start(dir.path(), &[]);
    let viewer =
        || VideoGrants { room_join: true, room: "show".to_owned(), can_publish: Some(false), ..VideoGrants::default() };
    let join = async |token: String| {
        standins.ask("POST", "/livekit/_act", Some(json!({"act": "join", "token": token}))).await.0
    };
    assert_eq!(join(token(&standins, viewer())).await, 404, "rooms are not created by joining");
    official(&standins).create_room("show", CreateRoomOptions::default()).await.unwrap();
    assert_eq!(join(token(&standins, viewer())).await, 200);
    assert_eq!(join("nonsense".to_owned()).await, 401);
    assert_eq!(join(token(&standins, VideoGrants { room_join: false, ..viewer() })).await, 401);
    let publish = json!({"act": "publish", "room": "show", "identity": "fan"});
    let (status, told) = standins.ask("POST", "/livekit/_act", Some(publish)).await;
    assert_eq!((status, &told["code"]), (403, &json!("permission_denied")));
    let fan = official(&standins).get_participant("show", "fan").await.unwrap();
    assert!(!fan.permission.unwrap().can_publish_data, "publishing data follows publishing when it is left out");
}
