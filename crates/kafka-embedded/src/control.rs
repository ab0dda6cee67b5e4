//! Faults: what a test wants to happen to the requests of an API.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::request;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// Which API.
    pub api: ApiKey,
    /// In which version.
    pub version: i16,
    /// Who says to be asking.
    pub client_id: String,
    /// How many requests of this API came before, from anybody, since it is controlled.
    pub count: u64,
    body: Bytes,
}

impl Call {
    pub(crate) fn new(api: ApiKey, version: i16, client_id: String, body: Bytes) -> Self {
        Self { api, version, client_id, count: 0, body }
    }

    /// The request itself; `None` if `R` is not what it is.
    #[must_use]
    pub fn request<R: Decodable>(&self) -> Option<R> {
        self.read().ok()
    }

    /// The request, or why it can't be read.
    pub(crate) fn read<R: Decodable>(&self) -> Result<R, String> {
        let flexible = self.api.request_header_version(self.version) >= 2;
        request::checked(&self.body, self.version, flexible)
    }
}

type Encode = Box<dyn FnOnce(&mut BytesMut, i16) -> bool + Send>;

/// What happens to a request.
pub enum Fault {
    /// It is handled as always.
    Pass,
    /// It is handled after this time; its connection waits with it.
    Delay(Duration),
    /// It is not handled, and the connection is closed.
    Disconnect,
    /// It is handled, and the connection is closed instead of answering.
    LoseAnswer,
    /// It is not handled, and this is answered; see [`Fault::answer`].
    Answer(Answer),
}

/// A scripted answer.
pub struct Answer(pub(crate) Encode);

impl Fault {
    /// Answers with `response`, whatever was asked. The connection is closed if the request's version has no room for it.
    #[must_use]
    pub fn answer(response: impl Encodable + Send + 'static) -> Self {
        Self::Answer(Answer(Box::new(move |frame, version| response.encode(frame, version).is_ok())))
    }
}

type Control = Box<dyn FnMut(&Call) -> Fault + Send>;

/// The faults that are set, by API, each with how often it was asked.
#[derive(Default)]
pub(crate) struct Controls(Mutex<HashMap<i16, (Control, u64)>>);

impl Controls {
    pub(crate) fn set(&self, api: ApiKey, control: Control) {
        self.lock().insert(api as i16, (control, 0));
    }

    pub(crate) fn clear(&self, api: ApiKey) {
        self.lock().remove(&(api as i16));
    }

    pub(crate) fn decide(&self, call: &mut Call) -> Fault {
        match self.lock().get_mut(&(call.api as i16)) {
            Some((control, count)) => {
                call.count = *count;
                *count += 1;
                control(call)
            }
            None => Fault::Pass,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i16, (Control, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}
