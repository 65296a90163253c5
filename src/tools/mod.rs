//! What the commands for people with a stick compute: pure, and with a heap; they run on a PC.

pub mod calls;
pub mod join;
pub mod picture;
pub mod scan;
