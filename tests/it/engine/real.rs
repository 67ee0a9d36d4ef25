//! The whole engine over a real media server. `bin/test --without livekit` leaves these out by the name of the module.

mod real_livekit {
    use std::time::Duration;

    use reqwest::StatusCode;
    use serde_json::json;

    use super::super::{
        Engine, announce,
        media::{publisher, within},
        run, until_asked,
    };

    /// What a browser offers that wants to send sound; it is never followed by any.
    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:7xrf\r\n\
        a=ice-pwd:eiJB3XuN+fhCM5km4qlt9C9U\r\na=fingerprint:sha-256 F7:46:E5:C0:E4:CC:C5:14:A7:32:7E:38:C6:46:B5:E4:\
        BD:BF:29:BE:2E:C0:27:FC:78:08:9F:36:00:98:3B:E6\r\na=setup:actpass\r\na=mid:0\r\na=sendonly\r\n\
        a=msid:- one\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=ssrc:301 cname:one\r\n";

    /// The signalling endpoint's answer to this token.
    async fn knock(engine: &Engine, token: &str) -> StatusCode {
        let url = engine.served["livekit"]["url"].as_str().unwrap();
        let answer = engine.client.get(format!("{url}/rtc/validate?access_token={token}")).send().await;
        answer.unwrap().status()
    }

    #[test]
    fn survive_048_a_room_that_is_made_after_the_end_is_closed_within_two_seconds() {
        run(async {
            let engine = Engine::start_with("real").await;
            let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
            let (experience, broadcast) = announce(&engine, &creator, json!({})).await;
            let mut viewer = engine.watch(&experience, &member).await;
            viewer.state("scheduled").await;
            let deed = |deed: &str| format!("/api/v1/broadcasts/{broadcast}/{deed}");
            engine.post(&deed("go-live"), &creator, json!({})).await;
            let token = viewer.next("token", |frame| frame["t"] == "token").await;
            let token = token["token"].as_str().unwrap();
            let sends = publisher(&engine, &creator, &broadcast).await;
            assert_eq!(knock(&engine, token).await, StatusCode::OK);
            engine.post(&deed("end"), &creator, json!({})).await;
            viewer.state("ended").await;
            let rooms = engine.rooms();
            let none = || async { rooms.list_rooms(vec![]).await.unwrap().is_empty().then_some(()) };
            until_asked("the end of the room", none).await;
            assert_eq!(knock(&engine, token).await, StatusCode::NOT_FOUND, "an old token opens nothing");

            // the server's own WHIP endpoint makes the room again for every good token
            let url = format!("{}/whip/v1", engine.served["livekit"]["url"].as_str().unwrap());
            for old in [sends["token"].as_str().unwrap(), token] {
                let offer = engine.client.post(&url).bearer_auth(old).header("content-type", "application/sdp");
                let made = offer.body(OFFER).send().await.unwrap();
                assert_eq!(made.status(), StatusCode::CREATED, "{}", made.text().await.unwrap());
                within(Duration::from_secs(2), "policing", until_asked("the end of the foreign room", none)).await;
            }
            let (_, over) = engine.get(&format!("/api/v1/broadcasts/{broadcast}"), &creator).await;
            assert_eq!(over["state"], "ended");
        });
    }
}
