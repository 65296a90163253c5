//! The building intercom's call control: door units, a home's box and its screens.
//!
//! `message_reader` takes the bytes of one connection apart, within limits; `home_box` routes the
//! calls of a home; `endpoint` is a screen, a door unit or the property's phone; `relay` passes
//! streams on, `sound` is what a party of a call does with them.

#[cfg(feature = "intercom")]
pub mod endpoint;
#[cfg(feature = "box")]
pub mod home_box;
pub mod message_reader;
#[cfg(any(feature = "box", feature = "intercom"))]
pub mod relay;
#[cfg(any(feature = "intercom", feature = "sim"))]
pub mod sound;
