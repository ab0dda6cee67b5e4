//! openapi/connect-rest.yaml beside the routes, and beside the document that Kafka 4.3.0 generates of its own resources
//! (tests/golden/connect_rest-4.3.0.yaml). Only the layout of the two is read here; `cargo xtask openapi` reads all of ours.

use std::collections::{BTreeMap, BTreeSet};

use crate::routes::ROUTES;

const OURS: &str = include_str!("../../../openapi/connect-rest.yaml");
const KAFKAS: &str = include_str!("../../../tests/golden/connect_rest-4.3.0.yaml");

/// The text of each operation, by method and path.
fn operations(document: &str) -> BTreeMap<(String, String), String> {
    let paths = document.lines().skip_while(|line| *line != "paths:").skip(1);
    let paths = paths.take_while(|line| line.starts_with(' ') || line.is_empty());
    let (mut path, mut operations, mut current) = (String::new(), BTreeMap::new(), None);
    for line in paths {
        let word = line.trim().trim_end_matches(':');
        if line.starts_with("  /") {
            (path, current) = (without_names(word), None);
        } else if line.starts_with("    ") && !line.starts_with("     ") {
            let is_method = matches!(word, "get" | "put" | "post" | "patch" | "delete");
            current = is_method.then(|| (word.to_uppercase(), path.clone()));
            current.iter().for_each(|key| drop(operations.insert(key.clone(), String::new())));
        } else if let Some(text) = current.as_ref().and_then(|key| operations.get_mut(key)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    operations
}

/// What a parameter of a path is called is nobody's business.
fn without_names(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// Names of query parameters.
fn query_parameters(operation: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = operation.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[1] == "in: query")
        .filter_map(|pair| Some(pair[0].strip_prefix("- name: ")?.to_owned()))
        .collect()
}

#[test]
fn the_document_has_the_routes_that_there_are_and_no_other() {
    let routes = ROUTES.iter().filter(|route| !route.internal);
    let routes: BTreeSet<_> = routes.map(|route| (route.method.to_string(), without_names(route.path))).collect();

    let documented: BTreeSet<_> = operations(OURS).into_keys().collect();

    assert_eq!(documented, routes);
}

#[test]
fn the_document_has_every_operation_and_parameter_that_kafkas_has() {
    let (ours, kafkas) = (operations(OURS), operations(KAFKAS));

    assert_eq!(kafkas.len(), 28);
    for (operation, text) in &kafkas {
        let own = ours.get(operation).unwrap_or_else(|| panic!("{operation:?} is missing"));
        let missing: Vec<_> = query_parameters(text).difference(&query_parameters(own)).cloned().collect();
        assert!(missing.is_empty(), "{operation:?} lacks {missing:?}");
    }
}
