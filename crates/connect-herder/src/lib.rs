//! connect-herder
