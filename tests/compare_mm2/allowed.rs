//! What may differ between the targets of MirrorMaker 2 and of Portage, with the reason.

/// A difference that is meant.
pub(crate) struct Allowance {
    /// How the place begins.
    pub(crate) at: &'static str,
    /// Which values, Java's and ours.
    if_so: fn(Option<&String>, Option<&String>) -> bool,
    /// Why.
    pub(crate) why: &'static str,
}

impl Allowance {
    pub(crate) fn covers(&self, place: &str, java: Option<&String>, ours: Option<&String>) -> bool {
        place.starts_with(self.at) && (self.if_so)(java, ours)
    }
}

fn only_ours(java: Option<&String>, ours: Option<&String>) -> bool {
    java.is_none() && ours.is_some()
}

/// The offset that a line begins with is higher than Java's, or Java has none.
fn further(java: Option<&String>, ours: Option<&String>) -> bool {
    let offset = |line: &String| line.split(' ').next()?.parse::<i64>().ok();
    match (java, ours) {
        (Some(java), Some(ours)) => offset(java) < offset(ours),
        (java, ours) => only_ours(java, ours),
    }
}

/// The list.
pub(crate) const ALLOWED: &[Allowance] = &[
    Allowance {
        at: "acl Acl { principal: \"User:auditor\"",
        if_so: |_, _| true,
        why: "a rule for every topic becomes one for all copies; Java's is for a topic that is called source.*",
    },
    Allowance { at: "acl Acl { principal: \"User:cart\"", if_so: only_ours, why: "Java leaves out prefixed rules" },
    Allowance { at: "topic portage-offset-runs.", if_so: only_ours, why: "our own topic: exact offset runs" },
    Allowance {
        at: "topic portage-copied-configs.",
        if_so: only_ours,
        why: "our own topic: which configs were copied",
    },
    Allowance { at: "checkpoint with,comma", if_so: only_ours, why: "Java loses groups with a comma in the id" },
    Allowance { at: "group with,comma", if_so: only_ours, why: "Java loses groups with a comma in the id" },
    Allowance {
        at: "position [\"MirrorCheckpointConnector\"",
        if_so: only_ours,
        why: "a group that Java loses, or has no answer for",
    },
    Allowance { at: "checkpoint ", if_so: further, why: "exact, where Java is early or has no answer" },
    Allowance { at: "group ", if_so: further, why: "exact, where Java is early or has no answer" },
];
