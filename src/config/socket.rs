//! Settings of Unix sockets.

use super::section::Section;

/// The longest socket path, in bytes: what the kernel takes, less the name that a new socket has until it is in place.
pub const MAX_SOCKET_PATH: usize = 103;

/// Reads `socket_mode`.
pub(super) fn read_mode(section: &Section<'_>) -> u32 {
    let Some((text, place)) = section.text("socket_mode") else {
        return 0o660;
    };
    match u32::from_str_radix(&text, 8) {
        Ok(mode) if mode <= 0o777 => mode,
        _ => {
            section.fault(
                &place,
                format!(
                    "{} must be an octal mode such as \"0660\", not \"{text}\"",
                    section.full("socket_mode")
                ),
            );
            0o660
        }
    }
}
