//! The REST API as data: one entry a method and path. `router` folds it, the OpenAPI document is checked against it.

use std::future::Future;
use std::pin::Pin;

use axum::http::Method;

use crate::call::{Answer, Call};
use crate::{admin, connectors, metrics, offsets, plugins, root};

type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// One operation.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path with `{name}` for parameters.
    pub path: &'static str,
    /// Whether only other workers call it.
    pub internal: bool,
    pub(crate) handler: Handler,
}

impl Route {
    /// Whether it answers with JSON, if with anything.
    pub(crate) fn answers_json(&self) -> bool {
        self.path != "/metrics"
    }

    /// Whether it is answered from what the storage topics hold, which have to be read first. Signatures are checked
    /// before that, so that a stranger learns nothing by waiting.
    pub(crate) fn needs_state(&self) -> bool {
        self.path.starts_with("/connectors") && !self.internal
    }
}

macro_rules! routes {
    ($($method:ident $path:literal $handler:path $(, $internal:ident)?;)*) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            internal: routes!(@internal $($internal)?),
            handler: |call| Box::pin($handler(call)),
        }),*]
    };
    (@internal internal) => { true };
    (@internal) => { false };
}

/// Every operation of the API.
pub const ROUTES: &[Route] = routes! {
    GET "/" root::server_info;
    GET "/health" root::health;
    GET "/metrics" metrics::show;

    GET "/connectors" connectors::list;
    POST "/connectors" connectors::create;
    GET "/connectors/{connector}" connectors::get;
    DELETE "/connectors/{connector}" connectors::delete;
    GET "/connectors/{connector}/config" connectors::get_config;
    PUT "/connectors/{connector}/config" connectors::put_config;
    PATCH "/connectors/{connector}/config" connectors::patch_config;
    GET "/connectors/{connector}/status" connectors::status;
    PUT "/connectors/{connector}/pause" connectors::pause;
    PUT "/connectors/{connector}/resume" connectors::resume;
    PUT "/connectors/{connector}/stop" connectors::stop;
    POST "/connectors/{connector}/restart" connectors::restart;
    GET "/connectors/{connector}/tasks" connectors::tasks;
    GET "/connectors/{connector}/tasks/{task}/status" connectors::task_status;
    POST "/connectors/{connector}/tasks/{task}/restart" connectors::restart_task;
    GET "/connectors/{connector}/topics" connectors::topics;
    PUT "/connectors/{connector}/topics/reset" connectors::reset_topics;
    GET "/connectors/{connector}/offsets" offsets::get;
    PATCH "/connectors/{connector}/offsets" offsets::alter;
    DELETE "/connectors/{connector}/offsets" offsets::reset;

    GET "/connector-plugins" plugins::list;
    GET "/connector-plugins/{plugin}/config" plugins::config;
    PUT "/connector-plugins/{plugin}/config/validate" plugins::validate;

    GET "/admin/loggers" admin::list;
    GET "/admin/loggers/{logger}" admin::get;
    PUT "/admin/loggers/{logger}" admin::set;

    POST "/connectors/{connector}/tasks" connectors::put_task_configs, internal;
    PUT "/connectors/{connector}/fence" connectors::fence, internal;
};
