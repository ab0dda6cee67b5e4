//! The key that workers sign their requests to each other with (KIP-507): the leader sees to it that there is a young one.

use super::Herder;
use super::jobs::Job;
use crate::action::Action;
use crate::config_log::SessionKey;
use crate::ids::Now;
use crate::protocol::Subprotocol;

impl Herder {
    fn makes_session_keys(&self) -> bool {
        let signs = self.membership.protocol() == Some(Subprotocol::Sessioned);
        self.is_settled() && signs && self.membership.is_leader() && !self.config_topic_lost
    }

    pub(super) fn maintain_session_key(&mut self) {
        if !self.makes_session_keys() {
            return;
        }
        let key = self.config.session_key().map(AsRef::as_ref);
        if self.leadership.needs_session_key(key, self.now, &self.settings) {
            self.leadership.session_key_under_way(self.now, &self.settings);
            self.out.push(Action::MakeSessionKey);
        }
    }

    pub(super) fn session_key_timeout(&self) -> Option<Now> {
        if !self.makes_session_keys() {
            return None;
        }
        self.leadership.session_key_timeout(self.config.session_key().map(AsRef::as_ref), self.now, &self.settings)
    }

    pub(super) fn session_key_made(&mut self, key_base64: String, created_ms: i64) {
        let algorithm = self.settings.session_key_algorithm.clone();
        self.writer.push(Job::SessionKey(SessionKey { key_base64, algorithm, created_ms }));
    }
}
