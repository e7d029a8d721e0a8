//! The name under which the loader knows the shared library: it changes when the ABI does.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libjwtkeeper.so.0");
    println!("cargo:rerun-if-changed=build.rs");
}
