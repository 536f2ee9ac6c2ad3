//! The door between programs and the node.
/// The door.
#[derive(Debug, Clone)]
pub struct Door {}
