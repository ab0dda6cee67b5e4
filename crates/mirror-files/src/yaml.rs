//! YAML as a tree whose nodes know their lines, for files of several documents. Anchors and aliases work, within a limit.
//!
//! Scalars stay text: what a number or a boolean is, their reader decides. As in Kubernetes' tools, plain `yes`, `on`, `no` and
//! `off` are booleans.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::finding::FileError;

/// The most nodes of a file, aliases counted as what they stand for: a bound against files that grow by referring to
/// themselves.
const NODES_MAX: usize = 200_000;
/// The deepest nesting.
const DEPTH_MAX: usize = 100;

/// A value and the line in which it begins, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The line.
    pub line: usize,
    /// The value.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing: `null`, `~` or an empty value.
    Null,
    /// Anything that is one piece: text, numbers, booleans.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Fields, in the file's order.
    Map(Vec<(Key, Node)>),
}

/// The name of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The line.
    pub line: usize,
    /// The name.
    pub name: String,
}

impl Node {
    /// A field of a map; `None` also if it is null, or if this is no map.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Node> {
        let fields = self.fields().iter();
        fields.filter(|(key, _)| key.name == name).map(|(_, node)| node).find(|node| node.value != Value::Null)
    }

    /// All fields; none if this is no map.
    #[must_use]
    pub fn fields(&self) -> &[(Key, Node)] {
        if let Value::Map(fields) = &self.value { fields } else { &[] }
    }

    /// The items of a list; none if this is no list.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }
}

/// Reads all documents of a file. Empty ones are left out.
///
/// # Errors
/// What is no YAML, names a field twice, or grows beyond the limits; with the line.
pub fn read(text: &str) -> Result<Vec<Node>, FileError> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0 };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        if matches!(event, Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd) {
            continue;
        }
        let document = reader.node(event, span, 0)?;
        if document.value != Value::Null {
            documents.push(document);
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Nodes that may be referred to, with the number of nodes that each stands for.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, FileError> {
        let next = self.parser.next().transpose();
        next.map_err(|error| FileError::at(error.marker().line(), format!("no YAML: {}", error.info())))
    }

    fn expect(&mut self) -> Result<(Event<'a>, Span), FileError> {
        self.next()?.ok_or_else(|| FileError::at(None, "no YAML: the file ends too early"))
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, FileError> {
        let line = span.start.line();
        if depth > DEPTH_MAX {
            return Err(FileError::at(line, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let before = self.nodes;
        self.count(1, line)?;
        let (value, anchor) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                let (node, size) = known.ok_or_else(|| FileError::at(line, "an alias of nothing that is complete"))?;
                self.count(size, line)?;
                return Ok(Node { line, ..node });
            }
            Event::Scalar(text, style, anchor, _) => (scalar(text.into_owned(), style), anchor),
            Event::SequenceStart(anchor, _) => (Value::List(self.items(depth)?), anchor),
            Event::MappingStart(anchor, _) => (Value::Map(self.map(depth)?), anchor),
            _ => return Err(FileError::at(line, "no YAML: a value is missing")),
        };
        let node = Node { line, value };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, FileError> {
        let mut items = Vec::new();
        loop {
            match self.expect()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, FileError> {
        let (mut fields, mut names) = (Vec::new(), BTreeSet::new());
        loop {
            let (event, span) = self.expect()?;
            let line = span.start.line();
            let name = match event {
                Event::MappingEnd => return Ok(fields),
                Event::Scalar(name, ..) => name.into_owned(),
                _ => return Err(FileError::at(line, "the name of a field must be plain text")),
            };
            if !names.insert(name.clone()) {
                return Err(FileError::at(line, format!("{name} stands there twice: keep one")));
            }
            let (event, span) = self.expect()?;
            let node = self.node(event, span, depth + 1)?;
            fields.push((Key { line, name }, node));
        }
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), FileError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            return Err(FileError::at(line, format!("the file has more than {NODES_MAX} values")));
        }
        Ok(())
    }
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::Text(text);
    }
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "True" | "TRUE" => Value::Text("true".to_owned()),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "False" | "FALSE" => Value::Text("false".to_owned()),
        _ => Value::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_fields_and_items_know_their_lines() {
        let documents = read("# a\na: 1\n---\nb:\n  - x\n  - c: 'on'\n---\n").unwrap();

        assert_eq!(documents.len(), 2);
        assert_eq!(documents[0].field("a").map(|node| (node.text(), node.line)), Some((Some("1"), 2)));
        let items = documents[1].field("b").unwrap().items();
        assert_eq!((items[0].text(), items[0].line), (Some("x"), 5));
        assert_eq!((items[1].field("c").unwrap().text(), items[1].line), (Some("on"), 6));
    }

    #[test]
    fn plain_words_are_what_kubernetes_takes_them_for() {
        let document = &read("a: on\nb: \"on\"\nc: ~\nd: -1\ne: No\n").unwrap()[0];
        let text = |name| document.field(name).and_then(Node::text);

        assert_eq!(
            [text("a"), text("b"), text("c"), text("d"), text("e")],
            [Some("true"), Some("on"), None, Some("-1"), Some("false")]
        );
    }

    #[test]
    fn an_alias_is_what_it_refers_to_and_a_bomb_is_refused() {
        let document = &read("a: &x {b: 1}\nc: *x\n").unwrap()[0];
        assert_eq!(document.field("c").unwrap().field("b").unwrap().text(), Some("1"));

        let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
        }
        let error = read(&bomb).unwrap_err();
        assert!(error.message.contains("more than"), "{error}");
    }

    #[test]
    fn what_is_no_yaml_is_named_with_its_line() {
        for (text, line) in [("a: 1\nb: [1\n", None), ("a: 1\na: 2\n", Some(2)), ("a:\n - b\n  c: 1\n", Some(3))] {
            let error = read(text).unwrap_err();

            assert!(line.is_none() || error.line == line, "{text:?}: {error}");
        }
        let deep = "[".repeat(5000);
        assert!(read(&deep).is_err());
    }
}
