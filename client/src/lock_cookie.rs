//! The lock cookie: where it is in a request, what a daemon's greeting says of it, and what a client remembers of that.

use jwtkeeper_wire::{DEFAULT_REALM, EXTENSION_LOCK_COOKIE, MAX_NAMED_REALMS, RealmCookie, Welcome, decode};

use crate::config::Config;

/// The lock cookie as a browser knows it: what the realm's `cookie` section says in the daemon's configuration, whose
/// defaults these are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockCookie {
    /// The cookie's name: `jwt_keeper` unless told otherwise.
    pub name: String,
    /// The `Domain` attribute: none unless told otherwise.
    pub domain: Option<String>,
    /// The `Path` attribute: `/` unless told otherwise.
    pub path: Option<String>,
    /// The `Secure` attribute: set unless told otherwise.
    pub secure: bool,
    /// The `HttpOnly` attribute: set unless told otherwise.
    pub http_only: bool,
    /// The `SameSite` attribute, `strict`, `lax` or `none`: none is sent unless told otherwise.
    pub same_site: Option<String>,
}

impl Default for LockCookie {
    fn default() -> Self {
        Self {
            name: "jwt_keeper".to_owned(),
            domain: None,
            path: Some("/".to_owned()),
            secure: true,
            http_only: true,
            same_site: None,
        }
    }
}

impl LockCookie {
    /// Finds the value in a `Cookie` header (RFC 6265 section 4.2.1). Of several the first counts: the one of the
    /// longest path.
    pub fn find<'a>(&self, header: &'a str) -> Option<&'a str> {
        header
            .split(';')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| name.trim() == self.name)
            .map(|(_, value)| unquote(value.trim()))
    }

    /// Returns what a greeting says, or `None` for text that would end a cookie's attribute or the header.
    fn announced(cookie: &RealmCookie<'_>) -> Option<Self> {
        let attributes = [cookie.domain, cookie.path].into_iter().flatten();
        let is_right = is_cookie_name(cookie.name)
            && attributes.into_iter().all(is_cookie_attribute)
            && ["strict", "lax", "none"].contains(&cookie.same_site);
        is_right.then(|| Self {
            name: cookie.name.to_owned(),
            domain: cookie.domain.map(str::to_owned),
            path: cookie.path.map(str::to_owned),
            secure: cookie.secure,
            http_only: cookie.http_only,
            same_site: Some(cookie.same_site.to_owned()),
        })
    }
}

fn unquote(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

/// Returns true for a token of HTTP (RFC 9110 section 5.6.2).
fn is_cookie_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// Returns true for text without a byte that ends an attribute (RFC 6265 section 4.1.1).
fn is_cookie_attribute(value: &str) -> bool {
    value.bytes().all(|byte| byte != b';' && !byte.is_ascii_control())
}

/// The longest name that a realm can have.
const LONGEST_REALM: usize = 64;

/// The realm that a name means.
fn named(realm: &str) -> &str {
    if realm.is_empty() { DEFAULT_REALM } else { realm }
}

/// The lock cookies that one greeting announced.
#[derive(Default)]
pub(crate) struct Announced {
    /// The realms that the hello named.
    names: Vec<String>,
    cookies: Vec<(String, LockCookie)>,
    instance: [u8; 16],
    generation: u64,
}

impl Announced {
    /// Reads a welcome; `None` for one that a daemon does not send.
    pub(crate) fn read(names: Vec<String>, welcome: &Welcome<'_>) -> Option<Self> {
        let mut announced = Self {
            names,
            cookies: Vec::new(),
            instance: welcome.instance,
            generation: welcome.generation,
        };
        let about_cookies = welcome
            .extensions
            .iter()
            .filter(|extension| extension.kind == EXTENSION_LOCK_COOKIE);
        for extension in about_cookies {
            let said: RealmCookie<'_> = decode(extension.value).ok()?;
            let cookie = LockCookie::announced(&said)?;
            if announced.names(said.realm) {
                announced.cookies.push((named(said.realm).to_owned(), cookie));
            }
        }
        Some(announced)
    }

    /// Returns true if the hello named the realm.
    pub(crate) fn names(&self, realm: &str) -> bool {
        self.names.iter().any(|name| name == named(realm))
    }

    /// Returns true if the hello named every realm that `other`'s did.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        other.names.iter().all(|name| self.names.contains(name))
    }

    /// The lock cookie of a realm. A daemon that says nothing of it is an older one, or does not have the realm: then
    /// it is the default one.
    pub(crate) fn of(&self, realm: &str) -> LockCookie {
        let found = self.cookies.iter().find(|(name, _)| name == named(realm));
        found.map(|(_, cookie)| cookie.clone()).unwrap_or_default()
    }
}

/// The last word of greetings on each realm that a client asked about.
#[derive(Default)]
pub(crate) struct Learned(Vec<Lesson>);

struct Lesson {
    realm: String,
    cookie: LockCookie,
    instance: [u8; 16],
    generation: u64,
}

impl Learned {
    /// The realms for the next hello to name: the one that is needed now, the client's own, and those asked about
    /// before. None where the app says itself what the lock cookie is.
    pub(crate) fn names(&self, config: &Config, needed: Option<&str>) -> Vec<String> {
        if config.lock_cookie.is_some() {
            return Vec::new();
        }
        let before = self.0.iter().map(|lesson| lesson.realm.as_str());
        let mut names: Vec<String> = Vec::new();
        for name in needed.into_iter().chain([config.realm.as_str()]).chain(before) {
            let name = named(name);
            let is_new = name.len() <= LONGEST_REALM && !names.iter().any(|other| other == name);
            if is_new && names.len() < MAX_NAMED_REALMS {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Takes note of a greeting. An earlier one of the same daemon may be read later than its successor.
    pub(crate) fn learn(&mut self, announced: &Announced) {
        for realm in &announced.names {
            let is_stale = |old: &Lesson| old.instance == announced.instance && old.generation > announced.generation;
            let old = self.0.iter().position(|lesson| lesson.realm == *realm);
            if old.and_then(|index| self.0.get(index)).is_some_and(is_stale) {
                continue;
            }
            match old {
                Some(index) => drop(self.0.remove(index)),
                None if self.0.len() >= MAX_NAMED_REALMS => drop(self.0.remove(0)),
                None => {}
            }
            self.0.push(Lesson {
                realm: realm.clone(),
                cookie: announced.of(realm),
                instance: announced.instance,
                generation: announced.generation,
            });
        }
    }

    /// The lock cookie of a realm, as the last greeting had it.
    pub(crate) fn of(&self, realm: &str) -> Option<LockCookie> {
        let found = self.0.iter().find(|lesson| lesson.realm == named(realm));
        found.map(|lesson| lesson.cookie.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let cookie = LockCookie::default();
        assert_eq!(cookie.find("a=1; jwt_keeper=x.y; b=2"), Some("x.y"));
        assert_eq!(cookie.find("jwt_keeper=\"x\";jwt_keeper=z"), Some("x"));
        assert_eq!(cookie.find("jwt_keeper="), Some(""));
        for none in ["", "jwt_keeper", "xjwt_keeper=1", "jwt_keeper2=1", "JWT_KEEPER=1"] {
            assert_eq!(cookie.find(none), None, "{none}");
        }
    }

    fn said<'a>(realm: &'a str, name: &'a str) -> RealmCookie<'a> {
        RealmCookie {
            realm,
            name,
            domain: None,
            path: Some("/"),
            secure: true,
            http_only: true,
            same_site: "lax",
        }
    }

    fn greeting(generation: u64, name: &str) -> Announced {
        Announced {
            names: vec!["shop".to_owned()],
            cookies: LockCookie::announced(&said("shop", name))
                .map(|cookie| ("shop".to_owned(), cookie))
                .into_iter()
                .collect(),
            instance: [1; 16],
            generation,
        }
    }

    #[test]
    fn text_that_would_end_the_header_is_not_believed() {
        assert!(LockCookie::announced(&said("shop", "lock")).is_some());
        for name in ["", "a b", "a=b", "a;b", "a\r\nSet-Cookie: b", "l\u{f6}ck"] {
            assert_eq!(LockCookie::announced(&said("shop", name)), None, "{name:?}");
        }
        let path = |path| RealmCookie {
            path: Some(path),
            ..said("shop", "lock")
        };
        for text in ["/; Domain=evil.example", "/\r\nX: y", "/\0"] {
            assert_eq!(LockCookie::announced(&path(text)), None, "{text:?}");
        }
        let same_site = RealmCookie {
            same_site: "any",
            ..said("shop", "lock")
        };
        assert_eq!(LockCookie::announced(&same_site), None);
    }

    #[test]
    fn an_earlier_greeting_that_is_read_later_changes_nothing() {
        let mut learned = Learned::default();
        learned.learn(&greeting(2, "new"));
        learned.learn(&greeting(1, "old"));
        assert_eq!(learned.of("shop").map(|cookie| cookie.name), Some("new".to_owned()));
        learned.learn(&greeting(3, "newer"));
        assert_eq!(learned.of("shop").map(|cookie| cookie.name), Some("newer".to_owned()));
    }

    #[test]
    fn a_hello_names_what_is_needed_first_and_no_more_than_a_daemon_takes() {
        let config = Config::new("/nowhere").with_realm("own");
        let mut learned = Learned::default();
        assert_eq!(learned.names(&config, None), ["own"]);
        for number in 0..100 {
            let names = learned.names(&config, Some(&number.to_string()));
            assert_eq!(names.first(), Some(&number.to_string()));
            assert!(names.len() <= MAX_NAMED_REALMS);
            learned.learn(&Announced {
                names,
                ..Announced::default()
            });
        }
        assert!(learned.of("99").is_some() && learned.of("own").is_some());
        let explicit = Config::new("/nowhere").with_lock_cookie(LockCookie::default());
        assert!(learned.names(&explicit, Some("needed")).is_empty());
    }
}
