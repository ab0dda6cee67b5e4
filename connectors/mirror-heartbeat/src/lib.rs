//! mirror-heartbeat
