//! What keeps the engine from starting is said in one sentence, and the exit says so too.

use std::process::{Output, Stdio};

use super::{Settings, command, run, state, until};
use crate::support::Cluster;

fn serve(state: &std::path::Path, settings: Settings) -> Output {
    let mut command = command(state);
    command.envs(settings).stderr(Stdio::piped()).args(["serve", "--demo"]);
    command.output().unwrap()
}

/// The one sentence for the person at the terminal.
fn told(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("backstage: ")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    lines[0].to_owned()
}

#[test]
fn a_state_directory_that_cannot_be_used_is_named_with_the_way_out() {
    let state = state();
    let file = state.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    for place in [file.as_path(), std::path::Path::new("/proc/backstage")] {
        let said = told(&serve(place, vec![]));
        assert!(said.contains(&place.display().to_string()) && said.contains("BACKSTAGE_STATE_DIR"), "{said}");
    }
}

#[test]
fn a_port_that_is_taken_is_named_with_the_way_out() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let state = state();
    let said = told(&serve(state.path(), vec![("BACKSTAGE__SERVER__PORT", port.clone())]));
    assert!(said.contains(&format!("port {port}")) && said.contains("BACKSTAGE__SERVER__PORT"), "{said}");
}

#[test]
fn a_database_that_is_not_there_is_named_with_the_way_out() {
    let (state, nowhere) = (state(), state());
    let urls = [
        format!("postgresql://postgres@/postgres?host={}", nowhere.path().display()),
        "postgresql://somebody:canary-secret@127.0.0.1:1/nothing".to_owned(),
    ];
    for url in urls {
        let said = told(&serve(state.path(), vec![("BACKSTAGE__DATABASE__URL", url)]));
        assert!(said.contains("database") && said.contains("database.url"), "{said}");
        assert!(!said.contains("canary-secret"), "{said}");
    }
}

#[test]
fn a_postgres_that_is_missing_is_named_with_the_way_to_get_one() {
    let state = state();
    // a cluster of a version that no machine has any more needs exactly that version
    let data = state.path().join("postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let said = told(&serve(state.path(), vec![]));
    assert!(said.contains("No Postgres 9 was found") && said.contains("was made by version 9"), "{said}");
    assert!(said.contains("apt-get install postgresql") && said.contains("database.url"), "{said}");
}

#[test]
fn survive_012_an_engine_that_is_not_ready_answers_nobody_until_it_is() {
    run(async {
        let cluster = Cluster::start();
        let state = state();
        let url = [("BACKSTAGE__DATABASE__URL", cluster.url())];
        let migrated = command(state.path()).envs(url.clone()).arg("migrate").status().unwrap();
        assert!(migrated.success());
        let held = cluster.lock("__diesel_schema_migrations");
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let settings = [("BACKSTAGE__SERVER__PORT", port.to_string())];
        let mut child = command(state.path()).envs(url).envs(settings).arg("serve").spawn().unwrap();
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
        until("a start that waits for its tables", || (cluster.ask(waiting) != "0").then_some(())).await;
        let ready = format!("http://127.0.0.1:{port}/health/ready");
        backstage::provider::init_crypto();
        let impatient = reqwest::Client::builder().timeout(std::time::Duration::from_millis(300)).build().unwrap();
        assert!(impatient.get(&ready).send().await.is_err(), "nothing is answered before everything can be");
        assert!(!state.path().join("serve.json").exists());
        drop(held);
        super::until_asked("readiness", || async {
            impatient.get(&ready).send().await.ok().filter(|answer| answer.status().is_success()).map(|_| ())
        })
        .await;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(child.wait().unwrap().success());
    });
}
