//! Calls whose future is boxed where it is written.
//!
//! The body of an `async fn` is compiled by each crate that awaits it, with everything that it awaits in turn. What crosses
//! a crate's border here returns a [`BoxFuture`] from a plain function instead, and is compiled once: that halves the time of
//! a release build, and costs an allocation beside a round trip.

use std::future::Future;
use std::pin::Pin;

/// A call under way.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
