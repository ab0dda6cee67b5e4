//! Many items, each with a result of its own, some of which have to be tried again.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::{Admin, BrokerError};
use crate::cluster::Retry;
use crate::codes::ErrorCode;
use crate::error::ClientError;

/// A topic that no broker knows may have been created a moment ago. After this long it was not.
const UNKNOWN_TOPIC_PATIENCE: Duration = Duration::from_secs(5);

/// Results by item.
pub(super) type Results<K, T> = BTreeMap<K, Result<T, BrokerError>>;

/// The items that have no final result yet, and the results of the others.
pub(super) struct Batch<'a, K, I, T> {
    api: &'static str,
    /// Until when an item that no broker knows may be on its way.
    patient_until: Instant,
    retry: Retry<'a>,
    pending: BTreeMap<K, I>,
    results: Results<K, T>,
}

impl<'a, K: Ord + Clone, I, T> Batch<'a, K, I, T> {
    pub(super) fn new(admin: &'a Admin, api: &'static str, items: impl IntoIterator<Item = (K, I)>) -> Self {
        Batch {
            api,
            patient_until: Instant::now(),
            retry: admin.cluster.retrying(api, admin.deadline()),
            pending: items.into_iter().collect(),
            results: BTreeMap::new(),
        }
    }

    /// For requests that go by metadata, which may be a little behind the controller.
    pub(super) fn patient(mut self) -> Self {
        self.patient_until += UNKNOWN_TOPIC_PATIENCE;
        self
    }

    /// What has to be sent; nothing when all is done.
    pub(super) fn pending(&self) -> Option<&BTreeMap<K, I>> {
        (!self.pending.is_empty()).then_some(&self.pending)
    }

    /// Runs one attempt within the deadline.
    pub(super) async fn bounded<R>(
        &self,
        attempt: impl Future<Output = Result<R, ClientError>>,
    ) -> Result<R, ClientError> {
        self.retry.bounded(attempt).await
    }

    /// Takes in the results of an attempt. Returns when it is time for the next one.
    ///
    /// # Errors
    /// Of the attempt as a whole, if that cannot be tried again and no item has a result.
    pub(super) async fn absorb(
        &mut self,
        attempt: Result<impl IntoIterator<Item = (K, Result<T, BrokerError>)>, ClientError>,
    ) -> Result<(), ClientError> {
        let answers = match attempt {
            Ok(answers) => answers,
            Err(error) => {
                return match self.retry.after(error).await {
                    Err(error) if !self.results.is_empty() => {
                        self.give_up(error.code().unwrap_or(ErrorCode::REQUEST_TIMED_OUT), Some(error.to_string()));
                        Ok(())
                    }
                    goes_on => goes_on,
                };
            }
        };
        let mut again = None;
        for (key, result) in answers {
            if !self.pending.contains_key(&key) {
                continue;
            }
            match &result {
                Err(error) if self.is_worth_another_try(error.code) => again = Some(error.code),
                _ => {
                    self.pending.remove(&key);
                }
            }
            // The last result of an item stays, should there be no time for another.
            self.results.insert(key, result);
        }
        if self.pending.is_empty() {
            return Ok(());
        }
        // An item that a broker left out is as good as one that it has not done.
        let code = again.unwrap_or(ErrorCode::OPERATION_NOT_ATTEMPTED);
        if again.is_none() || self.retry.after(ClientError::broker(self.api, code, None)).await.is_err() {
            self.give_up(code, None);
        }
        Ok(())
    }

    fn is_worth_another_try(&self, code: ErrorCode) -> bool {
        let in_vain = code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION && self.patient_until <= Instant::now();
        code.is_retriable() && !in_vain
    }

    fn give_up(&mut self, code: ErrorCode, message: Option<String>) {
        for key in std::mem::take(&mut self.pending).into_keys() {
            self.results.entry(key).or_insert_with(|| Err(BrokerError { code, message: message.clone() }));
        }
    }

    pub(super) fn results(self) -> Results<K, T> {
        self.results
    }
}

/// A broker that cannot be reached fails its own items only, and not for good.
pub(super) fn fail<K, T>(
    results: &mut Vec<(K, Result<T, BrokerError>)>,
    asked: impl IntoIterator<Item = K>,
    error: ClientError,
) -> Result<(), ClientError> {
    if !error.is_retriable() {
        return Err(error);
    }
    let code = error.code().unwrap_or(ErrorCode::NETWORK_EXCEPTION);
    let failed = BrokerError { code, message: Some(error.to_string()) };
    results.extend(asked.into_iter().map(|item| (item, Err(failed.clone()))));
    Ok(())
}
