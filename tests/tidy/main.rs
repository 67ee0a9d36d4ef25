//! Keeps the house in order: which way imports point, how long things are, which names and words are not used. Reads text alone.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod rules;
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{Source, complaints};

/// Made by programs or brought by package managers.
const NOT_OURS: &[&str] = &[".git", "target", "node_modules", "var", "dist", "__pycache__"];
/// Lock files, and licences of others.
const NOT_READ: &[&str] = &["Cargo.lock", "LICENSE"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(directory: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if NOT_OURS.contains(&name.as_str()) || NOT_READ.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

#[test]
fn the_house_is_in_order() {
    let mut sources = vec![];
    collect(&root(), &mut sources);
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the sources were not found");
    let found: Vec<String> = sources.iter().flat_map(complaints).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn a_lock_file_of_the_browser_libraries_names_no_registry() {
    let lock = root().join("web/package-lock.json");
    if lock.exists() {
        let text = fs::read_to_string(lock).unwrap();
        assert!(!text.contains("\"resolved\": \"http"), "npm needs omit-lockfile-registry-resolved");
    }
}

/// Each rule is seen to fail once: a place, what stands there, and the complaint.
const BAD: &[(&str, &str, &str)] = &[
    ("src/live/core/a.rs", "use tokio::time;", "a core is pure"),
    ("src/live/core/a.rs", "async fn f() {}", "a core is pure"),
    ("src/live/core/a.rs", "use crate::store::Store;", "a core knows ids"),
    ("src/live/core/a.rs", "use crate::{ids::A, clock::Clock};", "a core knows ids"),
    ("src/live/store.rs", "use actix_web::web;", "a store knows the database alone"),
    ("src/live/store/read.rs", "use livekit_api::x;", "a store knows the database alone"),
    ("src/live/routes.rs", "use diesel::prelude::*;", "HTTP goes through a store"),
    ("src/live/pages/studio.rs", "use diesel::prelude::*;", "HTTP goes through a store"),
    ("src/live/experience_actor.rs", "use diesel::prelude::*;", "an actor holds ports"),
    ("src/live/media.rs", "fn f(x: livekit_api::Room) {}", "an SDK stays in `provider`"),
    ("src/live/media.rs", "use diesel::prelude::*;", "SQL stays in the stores"),
    ("src/live/media.rs", "use crate::app::App;", "only commands know the composition root"),
    ("src/live/media.rs", "const RETRIES_MAX: u8 = 3;", "belongs in limits.rs"),
    ("src/live/media.rs", "struct RoomManager;", "says nothing"),
    ("src/live/util.rs", "", "says nothing"),
    ("src/live/media.rs", "#[allow(dead_code)]\nfn f() {}", "silence is explained"),
    ("src/live/media.rs", "#[expect(dead_code)]\nfn f() {}", "without a reason"),
    ("src/live/media.rs", "#[test]\n#[ignore]\nfn f() {}", "without a reason"),
    ("src/live/media.rs", "fn f() { unsafe { g() } }", "no unsafe code"),
    ("src/live/media.rs", "fn f() { a.do_send(m); }", "mailbox bound"),
    ("src/live/media.rs", "fn f() { std::thread::sleep(d); }", "waits go through the clock"),
    ("src/live/media.rs", "fn f() { counter!(\"x\"); }", "declared in telemetry"),
    ("src/live/media.rs", "fn f() { tokio::sync::mpsc::unbounded_channel(); }", "every queue has a limit"),
    ("tests/it/a.rs", "async fn f() { tokio::time::sleep(d).await; }", "waits for a level"),
    ("docs/a.md", concat!("see /ro", "ot/x"), "a path of one machine"),
    ("docs/a.md", concat!("see sha", "red/x"), "outside the repository"),
    ("docs/a.md", concat!("from https://registry.", "npmjs.org"), "the host of a registry"),
    ("docs/a.md", concat!("TO", "DO: later"), "a note to ourselves"),
];

/// What must stay possible.
const GOOD: &[(&str, &str)] = &[
    ("src/live/core/a.rs", "use crate::{clock::Timestamp, ids::{A, B}, limits::C};\nuse super::b::D;"),
    ("src/live/core/a.rs", "#[cfg(test)]\nmod tests {\n    use proptest::prelude::*;\n    use tokio::time;\n}"),
    ("src/live/store.rs", "use diesel::prelude::*;"),
    ("src/provider/livekit/client.rs", "use livekit_api::services;"),
    ("src/app.rs", "use crate::live::store::A;"),
    ("src/live/media.rs", "#[expect(dead_code, reason = \"used by the next step\")]\nfn f() {}"),
    ("src/live/media.rs", "// unsafe code and do_send( are only talked about\nconst SAID: &str = \"#[allow(x)]\";"),
    ("tests/it/a.rs", "async fn until() { tokio::time::sleep(d).await; }"),
    ("src/limits.rs", "pub const RETRIES_MAX: u8 = 3;"),
    ("src/live/media.rs", "struct Database; struct Information;"),
];

fn judge(path: &str, body: &str) -> Vec<String> {
    let text = if path.ends_with(".rs") { format!("//! Says what it is.\n{body}\n") } else { body.to_owned() };
    complaints(&Source { path: path.to_owned(), text })
}

#[test]
fn every_rule_finds_what_it_is_there_for() {
    for (path, body, expected) in BAD {
        let found = judge(path, body);
        assert!(
            found.iter().any(|said| said.contains(expected)),
            "{path} `{body}`: expected `{expected}`, found {found:?}"
        );
    }
}

#[test]
fn the_rules_leave_good_code_alone() {
    for (path, body) in GOOD {
        assert_eq!(judge(path, body), Vec::<String>::new(), "{path} `{body}`");
    }
}

#[test]
fn a_file_and_a_function_may_be_just_so_long() {
    let lines = |count: usize| format!("fn f() {{\n{}}}", "    g();\n".repeat(count - 2));
    assert_eq!(judge("src/live/a.rs", &lines(70)), Vec::<String>::new());
    assert!(judge("src/live/a.rs", &lines(71))[0].contains("71 lines, more than 70"));
    assert!(judge("src/live/a.rs", &"const A: u8 = 1;\n".repeat(500))[0].contains("more than 500"));
}

#[test]
fn a_module_without_a_first_sentence_is_found() {
    let bare = Source { path: "src/live/a.rs".to_owned(), text: "fn f() {}\n".to_owned() };
    assert!(complaints(&bare)[0].contains("the first line does not say"));
}
