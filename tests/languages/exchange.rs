//! One HTTP request, and the response to it.

use cookie::Cookie;
use ureq::http::{HeaderMap, Request};
use ureq::{Agent, Body};

use jwtkeeper_testkit::daemons::PATIENCE;

/// The lock cookie's name, as everybody has it by default.
pub const LOCK_COOKIE: &str = "jwt_keeper";

/// What an app answered.
pub struct Response {
    pub status: u16,
    headers: HeaderMap,
    pub body: String,
}

/// Asks with these headers; a header without a value is not sent.
pub fn ask(method: &str, url: &str, headers: &[(&str, Option<&str>)], body: Option<&str>) -> Response {
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .build()
        .into();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        if let Some(value) = value {
            request = request.header(*name, *value);
        }
    }
    let response = match body {
        Some(body) => agent.run(request.header("Content-Type", "application/json").body(body).unwrap()),
        None => agent.run(request.body(()).unwrap()),
    };
    let (parts, mut body): (_, Body) = response.unwrap_or_else(|error| panic!("{url}: {error}")).into_parts();
    Response {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.read_to_string().unwrap(),
    }
}

impl Response {
    /// A header that may be there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?;
        assert!(all.next().is_none(), "{name} is there twice");
        Some(first.to_str().unwrap())
    }

    /// The token of `Authorization`.
    pub fn token(&self) -> Option<&str> {
        self.header("Authorization")?.strip_prefix("Bearer ")
    }

    /// The Set-Cookie headers that name the lock cookie.
    pub fn lock_cookies(&self) -> Vec<&str> {
        self.cookies(LOCK_COOKIE)
    }

    /// The Set-Cookie headers of this name.
    pub fn cookies(&self, name: &str) -> Vec<&str> {
        let all = self.headers.get_all("Set-Cookie").iter();
        all.map(|header| header.to_str().unwrap())
            .filter(|header| header.split('=').next().map(str::trim) == Some(name))
            .collect()
    }

    /// Whether it takes the lock cookie from the browser.
    pub fn clears_cookie(&self) -> bool {
        self.clears(LOCK_COOKIE)
    }

    /// Whether it takes the cookie of this name from the browser.
    pub fn clears(&self, name: &str) -> bool {
        let [header] = self.cookies(name)[..] else {
            return false;
        };
        let cookie = Cookie::parse(header).unwrap();
        cookie.value().is_empty()
            && cookie.max_age().is_some_and(|age| age.is_zero())
            && cookie.path() == Some("/")
            && cookie.domain().is_none()
    }
}
