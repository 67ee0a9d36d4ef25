//! The rules themselves: each takes a file and answers with its complaints.

use crate::scan::{code_of, functions, without_tests};

/// A text file of the repository.
pub struct Source {
    /// From the root, with forward slashes.
    pub path: String,
    /// All of it.
    pub text: String,
}

const FILE_LINES_MAX: usize = 500;
/// Style sheets may be longer: one catalogue of components is easier to find one's way in than five.
const STYLE_LINES_MAX: usize = 900;
const FUNCTION_LINES_MAX: usize = 70;

/// What may talk to an outside party.
const SDKS: &[&str] = &["livekit_api", "livekit_protocol", "livekit_token", "reqwest", "lettre"];
/// How a function is called that looks again and again until something holds.
const WAITING: &[&str] = &["wait", "until", "eventually"];
const EVENT_LOOP: &[&str] =
    &["tokio", "actix", "actix_web", "actix_rt", "actix_http", "actix_server", "futures_util", "async", "await"];

/// Every rule over one file.
pub fn complaints(source: &Source) -> Vec<String> {
    let mut found = text_rules(source);
    if source.path.ends_with(".rs") {
        let code = code_of(&source.text);
        let own = if is_test(&source.path) { String::new() } else { without_tests(&code) };
        found.extend(shape_rules(source, &code));
        found.extend(word_rules(source, &code, &own));
        found.extend(name_rules(source, &own));
        found.extend(arrow_rules(source, &own));
        found.extend(limit_rules(source, &own));
    }
    found.into_iter().map(|said| format!("{}: {said}", source.path)).collect()
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/benches/")
}

fn generated(path: &str) -> bool {
    path == "src/store/schema.rs"
}

/// What no text of ours says: places that only one machine has, hosts that only one network has, notes to ourselves.
fn text_rules(source: &Source) -> Vec<String> {
    let mut found = vec![];
    let lines = source.text.lines().count();
    let most = match source.path.rsplit('.').next() {
        Some("rs" | "js" | "mjs" | "sh" | "html" | "sql") => FILE_LINES_MAX,
        Some("css") => STYLE_LINES_MAX,
        _ => usize::MAX,
    };
    if lines > most && !generated(&source.path) {
        found.push(format!("{lines} lines, more than {most}"));
    }
    let banned = [
        (concat!("/wo", "rk/"), "a path of one machine"),
        (concat!("/ro", "ot/"), "a path of one machine"),
        (concat!("/ho", "me/"), "a path of one machine"),
        (concat!("sha", "red/"), "a place outside the repository"),
        (concat!("index.", "crates.io"), "the host of a registry"),
        (concat!("static.", "crates.io"), "the host of a registry"),
        (concat!("registry.", "npmjs"), "the host of a registry"),
        (concat!("pythonhosted", ".org"), "the host of a registry"),
        (concat!("proxy.golang", ".org"), "the host of a registry"),
        (concat!("deb.debian", ".org"), "the host of a registry"),
        (concat!("TO", "DO"), "a note to ourselves"),
        (concat!("FIX", "ME"), "a note to ourselves"),
    ];
    for (number, line) in source.text.lines().enumerate() {
        for (word, what) in banned {
            if let Some(at) = line.find(word) {
                let inside_a_word = line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
                if !inside_a_word {
                    found.push(format!("line {}: `{word}` is {what}", number + 1));
                }
            }
        }
    }
    found
}

fn shape_rules(source: &Source, code: &str) -> Vec<String> {
    let mut found = vec![];
    if !source.text.starts_with("//!") && !generated(&source.path) {
        found.push("the first line does not say what the module decides or touches".to_owned());
    }
    for (name, line, lines) in functions(code) {
        if lines > FUNCTION_LINES_MAX {
            found.push(format!("line {line}: `{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}"));
        }
    }
    // Attributes hold literals, so they are read from the text; the code tells which ones are no comment.
    for (at, _) in code.match_indices("#[expect(").chain(code.match_indices("#![expect(")) {
        let line = line_of(code, at);
        let from = source.text.lines().skip(line - 1).collect::<Vec<_>>().join("\n");
        let end = from.find(")]").unwrap_or(from.len());
        if !from[..end].contains("reason =") {
            found.push(format!("line {line}: an `expect` without a reason"));
        }
    }
    for (at, _) in code.match_indices("#[ignore]") {
        found.push(format!("line {}: an `ignore` without a reason", line_of(code, at)));
    }
    found
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Words that stand nowhere in code, or in named places alone.
fn word_rules(source: &Source, code: &str, own: &str) -> Vec<String> {
    let path = source.path.as_str();
    let test = is_test(path);
    let rules: &[(&str, bool, &str)] = &[
        ("#[allow(", true, "silence is explained: `#[expect(…, reason = \"…\")]`"),
        ("#![allow(", true, "silence is explained: `#[expect(…, reason = \"…\")]`"),
        ("unsafe ", true, "no unsafe code"),
        (".do_send(", true, "it ignores the mailbox bound; use `try_send`"),
        ("todo!(", true, "unfinished"),
        ("unimplemented!(", true, "unfinished"),
        ("dbg!(", true, "left over"),
        (
            "thread::sleep",
            path != "src/local/process.rs" && !path.starts_with("tests/it/support/") && !path.starts_with("bench/"),
            "waits go through the clock; `until` is the one for local start-up",
        ),
        (
            "process::exit",
            path.starts_with("src/") && path != "src/main.rs" && !path.starts_with("src/command/"),
            "only a command ends the process",
        ),
        ("prometheus::register", true, "every series is declared in telemetry"),
    ];
    let mut found = vec![];
    for (word, banned, why) in rules {
        for (at, _) in code.match_indices(word).filter(|_| *banned) {
            found.push(format!("line {}: `{}`: {why}", line_of(code, at), word.trim_end_matches('(')));
        }
    }
    for word in ["unbounded_channel", "mpsc::channel()"] {
        for (at, _) in own.match_indices(word) {
            found.push(format!("line {}: `{word}`: every queue has a limit", line_of(own, at)));
        }
    }
    // A function that waits for a level may pause between two looks; on a paused clock a sleep takes no time.
    if test && !source.text.contains("start_paused = true") {
        let waits: Vec<_> = functions(code)
            .into_iter()
            .filter(|(name, ..)| WAITING.iter().any(|word| name.starts_with(word)))
            .collect();
        for (at, _) in code.match_indices("time::sleep(") {
            let line = line_of(code, at);
            if !waits.iter().any(|(_, first, lines)| (*first..first + lines).contains(&line)) {
                found.push(format!("line {line}: `time::sleep`: a test waits for a level, with a limit"));
            }
        }
    }
    for word in ["counter!(", "gauge!(", "histogram!("] {
        for (at, _) in own.match_indices(word) {
            // The name is a literal, which the code shows as blank and the text does not.
            let named_here = source.text.get(at + word.len()..).is_some_and(|rest| rest.trim_start().starts_with('"'));
            if named_here && path.starts_with("src/") && !path.starts_with("src/telemetry/") {
                found.push(format!("line {}: `{word}`: every series is declared in telemetry", line_of(own, at)));
            }
        }
    }
    found
}

const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "service", "services", "data",
    "info",
];

/// Names that say nothing about the trade.
fn name_rules(source: &Source, own: &str) -> Vec<String> {
    let mut found = vec![];
    for part in source.path.trim_end_matches(".rs").split(['/', '_']) {
        if EMPTY_NAMES.contains(&part) {
            found.push(format!("the name `{part}` says nothing"));
        }
    }
    for keyword in ["struct ", "enum ", "trait ", "mod ", "type "] {
        for (at, _) in own.match_indices(keyword) {
            if own[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            let name: String = own[at + keyword.len()..]
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            if words_of(&name).iter().any(|word| EMPTY_NAMES.contains(&word.as_str())) {
                found.push(format!("line {}: the name `{name}` says nothing", line_of(own, at)));
            }
        }
    }
    found
}

/// `SpaceManager` and `space_manager` both as `space`, `manager`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' {
            words.push(String::new());
            continue;
        }
        if letter.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

/// Which way imports may point.
fn arrow_rules(source: &Source, own: &str) -> Vec<String> {
    let Some(path) = source.path.strip_prefix("src/") else { return vec![] };
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.trim_end_matches(".rs");
    let folders: Vec<&str> = path.split('/').rev().skip(1).collect();
    let in_folder = |folder: &str| folders.contains(&folder);
    let is_core = in_folder("core") || path.ends_with("/core.rs");
    let is_store = stem.contains("store") || in_folder("store");
    let is_http = ["routes", "pages", "hooks"].iter().any(|kind| stem == *kind || in_folder(kind));
    let is_actor = stem.ends_with("_actor") || folders.iter().any(|folder| folder.ends_with("_actor"));
    let may_know_all =
        path == "app.rs" || path.starts_with("app/") || path.starts_with("command/") || path == "main.rs";

    let mut banned: Vec<(&str, &str)> = vec![];
    if is_core {
        banned.extend(EVENT_LOOP.iter().chain(SDKS).map(|word| (*word, "a core is pure")));
        banned.extend(["diesel", "diesel_async", "metrics", "tracing"].map(|word| (word, "a core is pure")));
    }
    if is_store {
        banned
            .extend(["actix", "actix_web"].iter().chain(SDKS).map(|word| (*word, "a store knows the database alone")));
    }
    if is_http {
        banned.extend(["diesel", "diesel_async"].map(|word| (word, "HTTP goes through a store")));
    }
    if is_actor {
        banned.extend(["diesel", "diesel_async"].iter().chain(SDKS).map(|word| (*word, "an actor holds ports")));
    }
    // The sender's address is checked by the parser that will use it.
    let sdk_allowed = path.starts_with("provider/") || path == "config.rs" || may_know_all;
    if !sdk_allowed {
        banned.extend(SDKS.iter().map(|word| (*word, "an SDK stays in `provider`")));
    }
    if !is_store && !may_know_all {
        banned.extend(["diesel", "diesel_async"].map(|word| (word, "SQL stays in the stores")));
    }
    let mut found = vec![];
    for (at, word) in words(own) {
        if let Some((_, why)) = banned.iter().find(|(banned, _)| *banned == word) {
            found.push(format!("line {}: `{word}`: {why}", line_of(own, at)));
        }
    }
    for (at, target) in crate_paths(own) {
        if is_core && !core_may_know(&target, path) {
            found.push(format!(
                "line {}: `crate::{target}`: a core knows ids, limits, timestamps and cores",
                line_of(own, at)
            ));
        }
        if !may_know_all && matches!(target.split("::").next(), Some("app" | "command")) && path != "lib.rs" {
            found
                .push(format!("line {}: `crate::{target}`: only commands know the composition root", line_of(own, at)));
        }
    }
    found
}

fn core_may_know(target: &str, path: &str) -> bool {
    let mut parts = target.split("::");
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match first {
        "ids" | "limits" | "money" => true,
        "clock" => second == "Timestamp",
        _ => second == "core" || path.split('/').next() == Some(first) && second.is_empty(),
    }
}

/// Every word of the code with its place.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

/// Every path that begins with `crate::`, without that; a group of imports as one path each.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let end = rest.find([';', ')', ',', '<', '>', ' ', '\n', '{']).unwrap_or(rest.len());
        let head = rest[..end].trim_end_matches("::");
        if rest[end..].starts_with('{') {
            let group = &rest[end + 1..rest[end..].find(';').map_or(rest.len(), |length| end + length)];
            let prefix = if head.is_empty() { String::new() } else { format!("{head}::") };
            let mut depth = 0;
            let mut item = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if (letter == ',' && depth == 0) || depth < 0 {
                    found.push((at, format!("{prefix}{}", item.trim())));
                    item.clear();
                } else {
                    item.push(letter);
                }
            }
        } else {
            found.push((at, head.to_owned()));
        }
    }
    found.retain(|(_, path)| !path.is_empty() && !path.ends_with("::"));
    found
}

const LIMIT_ENDINGS: &[&str] = &["_MAX", "_LIMIT", "_TIMEOUT", "_WAIT", "_CAPACITY"];

/// A limit stands with its reason in `limits.rs`, and nowhere else.
fn limit_rules(source: &Source, own: &str) -> Vec<String> {
    if source.path.ends_with("limits.rs") || source.path.starts_with("bench/") {
        return vec![];
    }
    let mut found = vec![];
    for (at, _) in own.match_indices("const ") {
        let name: String =
            own[at + 6..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        // What a published protocol fixes is no choice of ours; its document says so.
        let line = line_of(own, at);
        let fixed_by_protocol =
            source.text.lines().take(line).skip(line.saturating_sub(3)).any(|line| line.contains("RFC"));
        if LIMIT_ENDINGS.iter().any(|ending| name.ends_with(ending)) && !fixed_by_protocol {
            found.push(format!("line {line}: the limit `{name}` belongs in limits.rs"));
        }
    }
    found
}
