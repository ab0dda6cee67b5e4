//! Loggers, and what only workers ask each other.

use super::{Ask, ask, send};

pub(super) fn loggers() -> Vec<Ask> {
    let set = |path: &str, body: &str| send("PUT", &format!("/admin/loggers/{path}"), body);
    let mirror = "org.apache.kafka.connect.mirror";
    vec![
        ask("GET", "/admin/loggers"),
        ask("GET", "/admin/loggers/root"),
        ask("GET", "/admin/loggers/org.nowhere"),
        ask("GET", "/admin/loggers/ROOT"),
        set("root", ""),
        set("root", "{"),
        set("root", "{}"),
        set("root", "[]"),
        set("root", "null"),
        set("root", "{\"level\":null}"),
        set("root", "{\"level\":\"LOUD\"}"),
        set("root", "{\"level\":1}"),
        set("root", "{\"level\":\"\"}"),
        set("root", "{\"level\":{}}"),
        set("org.nowhere.Thing", "{\"level\":\"DEBUG\"}"),
        ask("GET", "/admin/loggers/org.nowhere.Thing"),
        ask("GET", "/admin/loggers/org.nowhere"),
        set("org.nowhere", "{\"level\":\"warn\"}"),
        ask("GET", "/admin/loggers/org.nowhere.Thing"),
        ask("GET", "/admin/loggers/org.nowhere/"),
        set("org.nowhere?scope=worker", "{\"level\":\"INFO\"}"),
        set("org.nowhere?scope=nonsense", "{\"level\":\"TRACE\"}"),
        set("org.nowhere?scope=CLUSTER", "{\"level\":\"LOUD\"}"),
        set("org.nowhere?scope=cluster", "{\"level\":\"ERROR\",\"more\":\"1\"}"),
        ask("GET", "/admin/loggers/org.nowhere").until(|answer| answer.body.contains("ERROR")),
        ask("GET", "/admin/loggers/org.nowhere.Thing"),
        set(mirror, "{\"level\":\"DEBUG\"}"),
        ask("GET", "/admin/loggers/org.apache.kafka.connect.mirror"),
        set("root", "{\"level\":\"INFO\"}"),
        ask("GET", "/admin/loggers/root"),
        set("root?scope=cluster", "{\"level\":\"INFO\"}"),
    ]
}

pub(super) fn internal() -> Vec<Ask> {
    let signed = |ask: Ask, mac: &str, algorithm: &str| {
        ask.header("X-Connect-Authorization", mac).header("X-Connect-Request-Signature-Algorithm", algorithm)
    };
    let mut asks = Vec::new();
    for (method, path) in
        [("POST", "/connectors/m/tasks"), ("PUT", "/connectors/m/fence"), ("POST", "/connectors/x/tasks")]
    {
        let body = || if method == "POST" { send(method, path, "[]") } else { ask(method, path) };
        asks.push(body());
        asks.push(body().header("X-Connect-Authorization", "AAAA"));
        asks.push(body().header("X-Connect-Request-Signature-Algorithm", "HmacSHA256"));
        asks.push(signed(body(), "AAAA", "Foo"));
        asks.push(signed(body(), "AAAA", "HmacSHA512"));
        asks.push(signed(body(), "!", "HmacSHA256"));
        asks.push(signed(body(), "AAAA", "HmacSHA256"));
        asks.push(signed(body(), "9x6gy/WwUuf4mztucScCI9Jz9K9mGjwM6ruTuRvTZjU=", "HmacSHA256"));
    }
    asks.push(send("POST", "/connectors/m/tasks", "{"));
    asks.push(send("POST", "/connectors/m/tasks", "{}"));
    asks
}
