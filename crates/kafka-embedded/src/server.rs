//! Connections: frames in, frames out, one request after the other, as a broker handles those of one connection.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::debug;

use crate::Broker;
use crate::dispatch::{self, Reply};

pub(crate) async fn serve(listener: TcpListener, broker: Arc<Broker>) {
    // Dropped with this task, and then the connections end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let broker = Arc::clone(&broker);
                    connections.spawn(async move {
                        if let Err(error) = converse(stream, &broker).await {
                            debug!(%error, "connection ended");
                        }
                    });
                }
                Err(error) => {
                    // Out of file handles, most likely: wait for some to come back instead of spinning.
                    debug!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(mut stream: TcpStream, broker: &Broker) -> io::Result<()> {
    stream.set_nodelay(true)?;
    while let Some(frame) = read_frame(&mut stream, broker.options.request_bytes_max).await? {
        match dispatch::handle(broker, frame).await {
            Ok(Reply::Frame(answer)) => stream.write_all(&answer).await?,
            Ok(Reply::Nothing) => {}
            Ok(Reply::Close) => return Ok(()),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
    Ok(())
}

/// The next frame without its size; `None` at the end of the stream.
async fn read_frame(stream: &mut TcpStream, bytes_max: usize) -> io::Result<Option<Bytes>> {
    let mut size = [0; 4];
    if stream.read(&mut size[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut size[1..]).await?;
    let size = i32::from_be_bytes(size);
    let Some(size) = usize::try_from(size).ok().filter(|size| *size <= bytes_max) else {
        let told = format!("a request of {size} bytes; at most {bytes_max} are taken");
        return Err(io::Error::new(io::ErrorKind::InvalidData, told));
    };
    // Grows as bytes arrive: a size alone takes no memory.
    let mut frame = BytesMut::with_capacity(size.min(1 << 16));
    let mut body = stream.take(size as u64);
    while frame.len() < size {
        if body.read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(frame.freeze()))
}
