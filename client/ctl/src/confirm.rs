//! Asking once more before a whole realm is logged out or a key is replaced, where a person is there to be asked:
//! stdin and stderr are both terminals, and `--yes` was not given. Scripts are not asked.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use jwtkeeper_client::blocking::Client;
use jwtkeeper_client::{Before, DEFAULT_REALM};

use crate::document::Document;
use crate::held::Held;
use crate::outcome::Failure;
use crate::paint::harmless;
use crate::times::{now, span, when};

/// Returns true if the logins of `realm` begun until `before` are to end. A refusal has been printed.
pub(crate) fn end_logins(client: &Client, realm: Option<&str>, before: Before) -> Result<bool, Failure> {
    let realm = realm.unwrap_or(DEFAULT_REALM);
    if !is_somebody_there() {
        return Ok(true);
    }
    let document = Document::of(&client.health()?);
    let shared = match document.store.kind.as_deref() {
        Some("redis") => ", here and on every host that shares its Redis",
        _ => "",
    };
    let now = now();
    let until = match before {
        Before::Now => "until now".to_owned(),
        Before::At(ms) => format!("until {}", when(ms / 1_000, now)),
    };
    say(&format!(
        "This ends all logins of the realm {realm} begun {until}{shared}.\n"
    ))?;
    say(&format!("{}\n", how_many(&document, realm, before, now)))?;
    say(&format!(
        "It cannot be undone. Type the realm's name, {realm}, or yes, to go on: "
    ))?;
    let answer = answer()?;
    let confirmed = answer == realm || answer == "yes";
    if !confirmed {
        say("jwtkeeperctl: nothing was revoked\n")?;
    }
    Ok(confirmed)
}

/// Asks whether the key in `file` is to be replaced. Where it is not, that was said.
pub(crate) fn replace_key(file: &Path, held: Held) -> Result<bool, Failure> {
    if !is_somebody_there() {
        return Ok(true);
    }
    say(&format!(
        "{} holds {held}. Every token that only this key verifies will be invalid.\nType yes to replace it: ",
        file.display()
    ))?;
    let confirmed = answer()? == "yes";
    if !confirmed {
        say("jwtkeeperctl: nothing was changed\n")?;
    }
    Ok(confirmed)
}

fn is_somebody_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn answer() -> Result<String, Failure> {
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::Input("stdin".to_owned(), error))?;
    Ok(answer.trim().to_owned())
}

/// Returns the number of tokens that end, as far as the daemon knows: it counts the tokens minted since its start.
fn how_many(document: &Document, realm: &str, before: Before, now: u64) -> String {
    let issued = document.realm(realm).and_then(|realm| realm.issued);
    let (Some(issued), Some(uptime)) = (issued, document.uptime_seconds) else {
        return "How many tokens that is, the daemon does not know.".to_owned();
    };
    let started = format!("since it started {} ago", span(uptime));
    let tokens = if issued == 1 { "token" } else { "tokens" };
    match before {
        Before::Now => {
            format!("That is at least {issued} {tokens} issued by this daemon {started}, and all older ones.")
        }
        Before::At(ms) if ms / 1_000 + uptime < now => {
            format!(
                "How many tokens that is, the daemon does not know: it was not running then, but started {} ago.",
                span(uptime)
            )
        }
        Before::At(_) => format!(
            "Of {issued} {tokens} issued by this daemon {started} those whose logins had begun by then, and all older ones."
        ),
    }
}

fn say(text: &str) -> io::Result<()> {
    let shown = |c: char| if c == '\n' { c } else { harmless(c) };
    let text: String = text.chars().map(shown).collect();
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}
