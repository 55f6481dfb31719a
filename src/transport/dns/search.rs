//! Where a name is looked for that need not be a full one: the search list of resolv.conf(5). Pure.
//!
//! glibc's `getaddrinfo` goes from candidate to candidate in the same way. It differs in one case: where the name servers
//! fail to answer for the name as it was given, it looks for others, and this gives up.

use hickory_resolver::proto::rr::Name;

/// The domains that names are looked for in.
#[derive(Clone, Debug, Default)]
pub(super) struct SearchList {
    pub(super) domains: Vec<Name>,
    /// A name with so many dots is asked for as it is before the list.
    pub(super) ndots: usize,
}

/// A full name that a name may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) name: Name,
    /// The name itself, without a domain of the list.
    is_given: bool,
}

impl SearchList {
    /// What `name` may stand for, in the order in which it is asked for. One with a dot at its end is full.
    pub(super) fn candidates(&self, name: Name) -> Vec<Candidate> {
        let mut given = name.clone();
        given.set_fqdn(true);
        let given = Candidate { name: given, is_given: true };
        if name.is_fqdn() {
            return vec![given];
        }
        let in_domain = |domain| name.clone().append_domain(domain).ok();
        let listed = self.domains.iter().filter_map(in_domain);
        let mut candidates: Vec<_> =
            listed.map(|name| Candidate { name, is_given: false }).collect();
        let is_first = usize::from(name.num_labels()) > self.ndots;
        candidates.insert(if is_first { 0 } else { candidates.len() }, given);
        candidates
    }
}

impl Candidate {
    /// Whether the next one may be what is meant, where it is so certain that this one has no record. Servers that are silent,
    /// or out of reach, would be no less so for the next one.
    pub(super) const fn may_be_another(&self, certainty: Certainty) -> bool {
        match certainty {
            Certainty::Certain => true,
            Certainty::Refused => !self.is_given,
            Certainty::Silent => false,
        }
    }
}

/// How certain it is that a candidate has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// There is none.
    Certain,
    /// The servers say that they cannot tell.
    Refused,
    /// They say nothing.
    Silent,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_str_relaxed(text).unwrap()
    }

    fn list(domains: &[&str], ndots: usize) -> SearchList {
        SearchList { domains: domains.iter().map(|domain| name(domain)).collect(), ndots }
    }

    fn asked(list: &SearchList, text: &str) -> Vec<String> {
        let candidates = list.candidates(name(text));
        candidates.iter().map(|candidate| candidate.name.to_utf8()).collect()
    }

    #[test]
    fn names_with_few_dots_are_looked_for_in_the_list_first() {
        let list = list(&["a.test.", "b.test."], 1);
        assert_eq!(asked(&list, "svc"), ["svc.a.test.", "svc.b.test.", "svc."]);
        assert_eq!(
            asked(&list, "api.example"),
            ["api.example.", "api.example.a.test.", "api.example.b.test."]
        );
        assert_eq!(asked(&list, "api."), ["api."]);
    }

    #[test]
    fn ndots_says_how_many_are_few() {
        let list = list(&["a.test."], 5);
        assert_eq!(asked(&list, "a.b.c.d.e"), ["a.b.c.d.e.a.test.", "a.b.c.d.e."]);
        assert_eq!(asked(&list, "a.b.c.d.e.f"), ["a.b.c.d.e.f.", "a.b.c.d.e.f.a.test."]);
    }

    #[test]
    fn without_a_list_there_is_one_candidate() {
        assert_eq!(asked(&SearchList::default(), "svc"), ["svc."]);
    }

    #[test]
    fn a_name_that_would_be_too_long_is_left_out() {
        let long = [&*"a".repeat(63); 3].join(".");
        let list = list(&[&format!("{}.", [&*"b".repeat(63); 3].join("."))], 5);
        assert_eq!(asked(&list, &long), [format!("{long}.")]);
    }
}
