//! Record batches: looked at, restamped, split off a fetch response, decoded, encoded.
//!
//! A batch that may cross as it is never gets further than [`RecordBatch`] and [`RecordBatch::restamp`]: header fields are
//! read in place and the payload is shared, not copied. [`RecordBatch::decode`] and [`encode`] are the other road.
//!
//! | file | idea |
//! |---|---|
//! | `view` | the header of magic 2, in place |
//! | `stamp` | another producer's identity on the same payload, checksum carried |
//! | `split` | from a fetch response to batches |
//! | `decode`, `legacy`, `control` | from batches to records: magic 2, magic 0 and 1, transaction markers |
//! | `encode` | from records to a batch |
//! | `merge` | from many batches to one |
//! | `codec`, `compression` | names of the codecs, and the codecs |
//! | `record`, `error` | the values in and out |

mod codec;
mod compression;
mod control;
mod crc;
mod decode;
mod encode;
mod error;
mod legacy;
mod merge;
mod record;
mod split;
mod stamp;
mod view;

pub use codec::{Codec, UnknownCodecName};
pub use control::ControlRecord;
pub use decode::DecodeLimits;
pub use encode::{BatchBuilder, encode};
pub use error::{BatchError, RecordError};
pub use legacy::LegacySet;
pub use merge::merge;
pub use record::{Header, Record};
pub use split::{Batches, FetchedEntry, split};
pub use stamp::{Stamp, Stamped};
pub use view::{HEADER_LEN, RecordBatch, TimestampType};
