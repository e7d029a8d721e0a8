//! The command line of jwtkeeperd.

use std::path::PathBuf;

use clap::Parser;

/// The default path of the configuration.
const CONFIG: &str = "/etc/jwtkeeper/jwtkeeper.toml";

/// Issues, validates, rotates and revokes JSON Web Tokens over a Unix socket, and alone holds the signing keys.
#[derive(Debug, Parser)]
#[command(name = "jwtkeeperd", version)]
pub struct Args {
    /// The configuration; `conf.d/*.toml` beside it is read after it
    #[arg(long, value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,

    /// Make a new, empty denylist store in state_dir and exit; refused where there is one
    #[arg(long, conflicts_with_all = ["check", "print_config", "dev"])]
    pub init: bool,

    /// Like --init, but succeeds where there is a store already, and leaves it as it is
    #[arg(long, conflicts_with_all = ["init", "check", "print_config", "dev"])]
    pub init_if_missing: bool,

    /// Check everything that a start needs, say what is wrong and what was not checked, and exit
    #[arg(long, conflicts_with_all = ["print_config", "dev"])]
    pub check: bool,

    /// With --check, as root: check with the rights of this user, the one that the daemon runs as
    #[arg(long, value_name = "NAME|UID", requires = "check")]
    pub user: Option<String>,

    /// Print the configuration in effect, defaults and all, and exit
    #[arg(long, conflicts_with = "dev")]
    pub print_config: bool,

    /// Serve with a throw-away secret, version file, store and socket in DIR
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "./target/dev", conflicts_with = "config")]
    pub dev: Option<PathBuf>,
}
