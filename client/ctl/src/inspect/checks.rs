//! The daemon's checks in its order, and what its one answer says of each: the reason names the check that failed, what
//! comes before it passed, and what comes after was not reached.

use jwtkeeper_client::{Reason, Verdict};

use super::form::Decoded;

/// The checks, in the order of the daemon's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Form,
    Key,
    Signature,
    Claims,
    Lifetime,
    Expiry,
    NotBefore,
    Issuer,
    Audience,
    Lock,
    Denylist,
}

impl Check {
    const ALL: [Self; 11] = [
        Self::Form,
        Self::Key,
        Self::Signature,
        Self::Claims,
        Self::Lifetime,
        Self::Expiry,
        Self::NotBefore,
        Self::Issuer,
        Self::Audience,
        Self::Lock,
        Self::Denylist,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Lifetime => "lifetime",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Lock => "lock",
            Self::Denylist => "denylist",
        }
    }

    /// The one that fails with this reason; `None` for a reason that we do not know, and for `malformed`, which two
    /// share.
    fn of(reason: Reason) -> Option<Self> {
        match reason {
            Reason::AlgorithmNotAllowed | Reason::UnknownKey => Some(Self::Key),
            Reason::BadSignature => Some(Self::Signature),
            Reason::LifetimeTooLong => Some(Self::Lifetime),
            Reason::Expired => Some(Self::Expiry),
            Reason::NotYetValid => Some(Self::NotBefore),
            Reason::WrongIssuer => Some(Self::Issuer),
            Reason::WrongAudience => Some(Self::Audience),
            Reason::LockRequired => Some(Self::Lock),
            Reason::Revoked => Some(Self::Denylist),
            _ => None,
        }
    }
}

/// The finding of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    Ok,
    Failed,
    NotReached,
    Unknown,
}

impl Finding {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::NotReached => "not_reached",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn for_people(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::NotReached => "not reached",
            Self::Unknown => "unknown here",
        }
    }
}

/// Returns the finding of each check; none of them without a verdict.
pub(super) fn findings(verdict: Option<&Verdict>, decoded: &Decoded) -> Vec<(Check, Finding)> {
    let find = |check: Check| match verdict {
        None => Finding::Unknown,
        Some(Verdict::Valid { .. }) => Finding::Ok,
        Some(Verdict::Invalid(Reason::Malformed)) => malformed(check, decoded),
        Some(Verdict::Invalid(reason)) => match Check::of(*reason) {
            None => Finding::Unknown,
            Some(failed) => match (check as u8).cmp(&(failed as u8)) {
                std::cmp::Ordering::Less => Finding::Ok,
                std::cmp::Ordering::Equal => Finding::Failed,
                std::cmp::Ordering::Greater => Finding::NotReached,
            },
        },
    };
    Check::ALL.map(|check| (check, find(check))).into()
}

/// `malformed` is the form's, or the claims' after the signature: which of them, only the token itself can show.
fn malformed(check: Check, decoded: &Decoded) -> Finding {
    let in_form = decoded.fault.is_some();
    match check {
        Check::Form if in_form => Finding::Failed,
        Check::Claims if !in_form && decoded.claims_fault.is_some() => Finding::Failed,
        Check::Form | Check::Key | Check::Signature | Check::Claims if !in_form => Finding::Unknown,
        _ => Finding::NotReached,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_the_check_that_failed() {
        let decoded = Decoded::of("e30.e30.");
        let verdict = Verdict::Invalid(Reason::Expired);
        let found = findings(Some(&verdict), &decoded);
        let names: Vec<_> = found.iter().map(|(_, finding)| finding.name()).collect();
        assert_eq!(names[..6], ["ok", "ok", "ok", "ok", "ok", "failed"]);
        assert_eq!(names[6..], ["not_reached"; 5]);
        let all_unknown = [None, Some(Verdict::Invalid(Reason::Other(999)))];
        for verdict in all_unknown {
            let found = findings(verdict.as_ref(), &decoded);
            assert!(found.iter().all(|(_, finding)| *finding == Finding::Unknown));
        }
    }

    #[test]
    fn malformed_is_the_forms_or_the_claims() {
        let verdict = Verdict::Invalid(Reason::Malformed);
        let of = |token: &str| {
            let found = findings(Some(&verdict), &Decoded::of(token));
            found.into_iter().map(|(_, finding)| finding).collect::<Vec<_>>()
        };
        let form = of("e30.e30");
        assert_eq!(form[0], Finding::Failed);
        assert!(form[1..].iter().all(|finding| *finding == Finding::NotReached));
        let claims = of("e30.e30.");
        assert_eq!(claims[..3], [Finding::Unknown; 3]);
        assert_eq!(claims[3], Finding::Failed);
        // {"exp":1,"jti":"j"}: nothing wrong is seen.
        let neither = of("e30.eyJleHAiOjEsImp0aSI6ImoifQ.");
        assert_eq!(neither[..4], [Finding::Unknown; 4]);
        assert_eq!(neither[4], Finding::NotReached);
    }
}
