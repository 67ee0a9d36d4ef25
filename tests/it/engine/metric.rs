//! What operators are shown of single experiences, and for how long.

use std::time::Duration;

use serde_json::json;

use super::{Engine, go_live, run, until_asked};

#[test]
fn the_series_of_an_experience_go_away_when_its_broadcast_is_over_and_everybody_has_left() {
    run(async {
        let engine = Engine::with(vec![("BACKSTAGE__DRILLS__ENABLED", "true".into())]).await;
        let (creator, member) = (engine.token("creator@demo.test"), engine.token("member@demo.test"));
        let (experience, broadcast) = go_live(&engine, &creator).await;
        let series = |name: &str| format!("{name}{{experience=\"{experience}\"}}");
        let studio = format!("/api/v1/experiences/{experience}/studio");
        let mut studio = engine.socket(&studio, &[("authorization", format!("Bearer {creator}"))]).await.unwrap();
        let mut viewer = engine.watch(&experience, &member).await;
        viewer.state("live").await;
        let sent = json!({"t": "stats", "publishing": true, "bitrate_bits": 900_000, "fps": 30.0, "loss_ratio": 0.0, "rtt_ms": 20});
        studio.say(sent).await;
        until_asked("the publisher's numbers", || engine.metric_is(series("backstage_stream_fps"), 30.0)).await;
        until_asked("the viewer", || engine.metric_is(series("backstage_viewers"), 1.0)).await;
        let live = "backstage_broadcasts{state=\"live\"}".to_owned();
        assert_eq!(engine.metric(&live).await, Some(1.0));
        // a restart of the actor counts nothing twice
        engine.post("/api/v1/drills/panic", &creator, json!({"experience_id": experience})).await;
        viewer.next("the snapshot after the drill", |frame| frame["t"] == "snapshot").await;
        assert_eq!(engine.metric(&live).await, Some(1.0));

        engine.post(&format!("/api/v1/broadcasts/{broadcast}/end"), &creator, json!({})).await;
        viewer.state("ended").await;
        assert_eq!(engine.metric(&live).await, None);
        assert_eq!(engine.metric(&series("backstage_stream_fps")).await, None, "nothing is sent any more");
        assert_eq!(engine.metric(&series("backstage_viewers")).await, Some(1.0), "somebody is still there");
        drop((viewer, studio));
        // the place of who dropped is kept for 30 s by the wall clock
        engine.order("/_clock", json!({"advance_secs": Duration::from_secs(60).as_secs()})).await;
        until_asked("the end of the series", || async {
            let lines = engine.metrics().await;
            (!lines.iter().any(|line| line.contains(&experience))).then_some(())
        })
        .await;
    });
}

#[test]
fn survive_117_no_label_comes_from_outside_and_a_scrape_stays_small() {
    run(async {
        let engine = Engine::start().await;
        let odd = ["/x", "/%22%7D", "/a/b/c/d", "/api/v1/experiences/exp_odd/live", "/@me", "/metrics/x"];
        for number in 0..200 {
            for path in odd {
                let method = reqwest::Method::from_bytes(format!("ODD{number}").as_bytes()).unwrap();
                engine.call(method, path, "", None).await;
                engine.get(&format!("{path}{number}"), "").await;
            }
        }
        let lines = engine.metrics().await;
        let series: Vec<&String> = lines.iter().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert!(series.len() <= 5_000, "{} series", series.len());
        for word in ["odd", "ODD", "%22", "@me"] {
            assert!(!series.iter().any(|line| line.contains(word)), "{word} stands in a label");
        }
    });
}
