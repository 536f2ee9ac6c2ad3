//! Which of two links between the same two machines stays. Both machines must come to the same answer.
//!
//! The rule: the link whose dialler has the smaller machine ID; if the same machine dialled both, the newer one. The
//! dialling side says `Hello` first and the accepting side answers only a link that it keeps, so the accepting side
//! decides and the dialling side learns of it before it reports the link.
//!
//! Two things the rule alone does not cover. A machine that lost a link without the other noticing dials anew, and by
//! the rule the dead link might win: so before a link is refused in favour of one that stands, that one is probed. And
//! two programs with one identity (a copied profile) would push each other out for ever: so a link of another run of
//! the program never replaces one that answers.

use proto::id::MachineId;

use crate::event::ConnId;

/// What is compared of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) id: ConnId,
    /// Whether the other machine dialled.
    pub(crate) inbound: bool,
    /// The other program's random number of this start.
    pub(crate) instance: u64,
}

/// What becomes of a link that is ready to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// There is no other: it stands.
    Accept,
    /// It takes the place of the one that stands.
    Replace,
    /// It waits until the one that stands has shown whether it lives.
    Probe,
    /// It waits until our own dial, which would be preferred, has succeeded or failed.
    WaitForDial,
    /// It is closed.
    Refuse,
}

/// What is known of the link that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incumbent {
    pub(crate) link: Brief,
    /// It has stood for longer than any attempt takes. The other side dials only while it has no link, so that it
    /// dials now means that it has lost this one.
    pub(crate) settled: bool,
}

/// Decides about `candidate`, a link between `me` and `peer`.
pub(crate) fn decide(
    me: &MachineId,
    peer: &MachineId,
    standing: Option<Incumbent>,
    dialling: bool,
    candidate: Brief,
) -> Decision {
    let Some(Incumbent { link: standing, settled }) = standing else {
        return if candidate.inbound && dialling && me < peer { Decision::WaitForDial } else { Decision::Accept };
    };
    if !candidate.inbound {
        // The other side accepted it; but what stands was accepted meanwhile, and only the rule may undo that.
        let preferred = standing.inbound && me < peer && standing.instance == candidate.instance;
        return if preferred { Decision::Replace } else { Decision::Refuse };
    }
    if standing.instance != candidate.instance {
        return Decision::Probe;
    }
    match standing.inbound {
        // One machine has one dial at a time under way, so the older of its links is dead to it.
        true if candidate.id > standing.id => Decision::Replace,
        true => Decision::Refuse,
        false if peer < me || settled => Decision::Replace,
        false => Decision::Probe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: MachineId = MachineId::from_bytes([1; 32]);
    const LARGE: MachineId = MachineId::from_bytes([2; 32]);

    fn link(id: u64, inbound: bool) -> Brief {
        Brief { id: ConnId(id), inbound, instance: 7 }
    }

    fn standing(link: Brief) -> Option<Incumbent> {
        Some(Incumbent { link, settled: false })
    }

    #[test]
    fn a_machine_that_dials_long_after_a_link_came_up_has_lost_it() {
        let old = Some(Incumbent { link: link(1, false), settled: true });
        assert_eq!(decide(&SMALL, &LARGE, old, false, link(2, true)), Decision::Replace);
        let other_run = Brief { instance: 8, ..link(2, true) };
        assert_eq!(decide(&SMALL, &LARGE, old, false, other_run), Decision::Probe, "because it may be a copy");
    }

    #[test]
    fn both_sides_keep_the_link_that_the_smaller_machine_dialled() {
        // Seen from the smaller: its own dial is outbound.
        assert_eq!(decide(&SMALL, &LARGE, standing(link(1, true)), false, link(2, false)), Decision::Replace);
        assert_eq!(decide(&SMALL, &LARGE, standing(link(1, false)), false, link(2, true)), Decision::Probe);
        // Seen from the larger: the smaller's dial is inbound.
        assert_eq!(decide(&LARGE, &SMALL, standing(link(1, false)), false, link(2, true)), Decision::Replace);
        assert_eq!(decide(&LARGE, &SMALL, standing(link(1, true)), false, link(2, false)), Decision::Refuse);
    }

    #[test]
    fn an_inbound_link_waits_for_our_preferred_dial_only() {
        assert_eq!(decide(&SMALL, &LARGE, None, true, link(1, true)), Decision::WaitForDial);
        assert_eq!(decide(&LARGE, &SMALL, None, true, link(1, true)), Decision::Accept);
        assert_eq!(decide(&SMALL, &LARGE, None, true, link(1, false)), Decision::Accept, "because it is that dial");
    }

    #[test]
    fn of_two_links_of_one_dialler_the_newer_stays() {
        assert_eq!(decide(&SMALL, &LARGE, standing(link(1, true)), false, link(2, true)), Decision::Replace);
        assert_eq!(decide(&SMALL, &LARGE, standing(link(2, true)), false, link(1, true)), Decision::Refuse);
    }

    #[test]
    fn another_run_of_the_program_never_replaces_a_link_unprobed() {
        let other = Brief { instance: 8, ..link(2, true) };
        assert_eq!(decide(&LARGE, &SMALL, standing(link(1, true)), false, other), Decision::Probe);
        let ours = Brief { instance: 8, ..link(2, false) };
        assert_eq!(decide(&SMALL, &LARGE, standing(link(1, true)), false, ours), Decision::Refuse);
    }
}
