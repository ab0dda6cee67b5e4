//! mirror-source
