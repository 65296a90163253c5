//! The building intercom: the state machines of its devices. The messages are `wire::intercom`.
//!
//! | room | owns |
//! | --- | --- |
//! | `endpoint` | a screen, a door unit or the property's phone: one call, the link to the box |

#[cfg(feature = "intercom")]
pub mod endpoint;
