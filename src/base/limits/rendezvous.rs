//! Of the rendezvous.

/// The longest rendezvous message: all of the SDK's are under 700 bytes, and one Ethernet frame holds it.
pub const RENDEZVOUS_BYTES: usize = 1200;
/// The longest text that is sealed in a rendezvous message, a multiple of the cipher's block of 16.
pub const SEALED_BYTES: usize = 640;
