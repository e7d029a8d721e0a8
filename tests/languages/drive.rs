//! Drives an example of any language through its life: login, profile, rotation, logout.
