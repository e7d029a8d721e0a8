//! The operations: one file each with its request, the operation of the wire, and the answer as the caller gets it. A
//! request is a value that is built once and may be asked many times. None has Debug: they hold tokens, cookie secrets
//! and claims.

use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Answer, Op};

use crate::given::Before;
pub(crate) use presented::{Lock, can_be_cookie, presented};

/// Declares the setter of a request's realm.
macro_rules! with_realm {
    ($request:ident) => {
        impl<'a> $request<'a> {
            /// In this realm, instead of the client's.
            #[must_use]
            pub fn realm(mut self, realm: &'a str) -> Self {
                self.realm = Some(realm);
                self
            }
        }
    };
}

/// Declares that a token alone is such a request.
macro_rules! of_a_token {
    ($request:ident) => {
        of_a_token!($request: str, String, [u8]);
    };
    ($request:ident: $($token:ty),*) => {$(
        impl<'a> From<&'a $token> for $request<'a> {
            fn from(token: &'a $token) -> Self {
                Self::new(token)
            }
        }
    )*};
}

/// Declares the operations: each file, and the requests in it.
macro_rules! operations {
    ($($file:ident: $($request:ident $(<$life:lifetime>)?),+;)*) => {
        $(
            mod $file;
            pub use $file::{$($request),+};
            $(impl sealed::Sealed for $request $(<$life>)? {})+
        )*
    };
}

mod presented;

operations! {
    flag: Flag<'_>;
    health: GetHealth;
    import: Import;
    introspect: Introspect<'_>;
    issue: Issue<'_>;
    jwks: GetJwks<'_>;
    ping: Ping;
    reload: Reload, ReloadReport;
    revoke: Revoke<'_>;
    rotate: Rotate<'_>;
    status: GetStatus<'_>;
    validate: Validate<'_>;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Learn<'_> {}
}

/// A request, and the answer that belongs to it. Both clients' `call` takes any; the set is closed.
pub trait Operation: sealed::Sealed {
    /// The answer as the caller gets it.
    type Output;

    #[doc(hidden)]
    fn op<'s>(&'s self, realm: &'s str) -> Op<'s>;

    /// The lock cookie that must be known before this is asked.
    #[doc(hidden)]
    fn lock(&self) -> Option<Lock<'_>> {
        None
    }

    /// `None` for an answer that does not belong to this operation.
    #[doc(hidden)]
    fn output(&self, answer: Answer<'_>) -> Option<Self::Output>;
}

/// Asks nothing, and has the client hear from the daemon what the realm's lock cookie is.
pub(crate) struct Learn<'a>(pub(crate) &'a str);

impl Operation for Learn<'_> {
    type Output = ();

    fn op<'s>(&'s self, _: &'s str) -> Op<'s> {
        Op::Ping
    }

    fn lock(&self) -> Option<Lock<'_>> {
        let (realm, headers) = (Some(self.0), [].as_slice());
        Some(Lock { realm, headers })
    }

    fn output(&self, answer: Answer<'_>) -> Option<()> {
        matches!(answer, Answer::Pong).then_some(())
    }
}

impl From<Before> for wire::Before {
    fn from(before: Before) -> Self {
        match before {
            Before::At(time) => Self::At(time),
            Before::Now => Self::Now { first_asked: None },
        }
    }
}
