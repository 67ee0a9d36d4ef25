//! The list of routes in `docs/contract.md`, the OpenAPI document and the handlers say the same.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

const CONTRACT: &str = include_str!("../../docs/contract.md");
const HEADING: &str = "## Every route of this version";

fn described() -> Value {
    serde_json::to_value(backstage::app::openapi()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods = ["get", "post", "put", "patch", "delete"];
    paths
        .iter()
        .flat_map(|(path, operations)| {
            methods.iter().filter_map(move |method| {
                let operation = operations.get(method)?;
                Some((format!("{} {path}", method.to_uppercase()), operation.clone()))
            })
        })
        .collect()
}

#[test]
fn the_contract_lists_every_documented_route_and_no_other() {
    let documented: BTreeSet<String> = operations(&described()).into_iter().map(|(route, _)| route).collect();
    let section = CONTRACT.split_once(HEADING).expect("the section is there").1;
    let route = Regex::new(r"(?m)^\| `([A-Z]+ /[^`]*)` \|").unwrap();
    let listed: BTreeSet<String> = route.captures_iter(section).map(|found| found[1].to_owned()).collect();
    assert!(documented.len() > 60);
    assert_eq!(listed, documented);
}

#[test]
fn the_document_is_openapi_3_1_and_every_operation_says_what_it_does_and_answers() {
    let document = described();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for (route, operation) in operations(&document) {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{route} has no summary");
        assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{route} has no answer");
    }
}

#[test]
fn every_placeholder_of_a_path_is_a_described_parameter() {
    let placeholder = Regex::new(r"\{(\w+)\}").unwrap();
    for (route, operation) in operations(&described()) {
        let none = vec![];
        let named: BTreeSet<&str> = operation["parameters"]
            .as_array()
            .unwrap_or(&none)
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        let wanted: BTreeSet<&str> =
            placeholder.captures_iter(&route).map(|found| found.get(1).unwrap().as_str()).collect();
        assert_eq!(named, wanted, "{route}");
    }
}
