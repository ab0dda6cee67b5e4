//! Does a broker answer? Asked in thirty lines of the protocol itself, so that the answer depends on no client.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The number of brokers that the broker at `address` knows as members of its cluster: by Metadata version 1, for no
/// topics. A broker that is fenced yet, or waits for the controller, counts nobody or does not answer.
pub(super) async fn members(address: &str) -> io::Result<usize> {
    timeout(ANSWER_TIMEOUT, ask(address)).await.unwrap_or_else(|_| Err(io::Error::other("no answer")))
}

async fn ask(address: &str) -> io::Result<usize> {
    let mut broker = TcpStream::connect(address).await?;
    let mut request = vec![0, 3, 0, 1, 0, 0, 0, 7]; // Metadata, version 1, correlation id 7
    request.extend([0xff, 0xff]); // no client id
    request.extend([0, 0, 0, 0]); // no topics
    broker.write_u32(u32::try_from(request.len()).map_err(io::Error::other)?).await?;
    broker.write_all(&request).await?;
    let size = broker.read_u32().await?;
    if !(12..65536).contains(&size) || broker.read_u32().await? != 7 {
        return Err(io::Error::other("not a Kafka broker"));
    }
    Ok(broker.read_u32().await? as usize)
}
