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
//!
//! Before all of this, a direct link goes before a tunnel, whoever dialled it: both sides know which of the two a link
//! is, so both come to the same answer. A tunnel is dialled only where no direct link stands; that the other side dials
//! one therefore means that it has lost the direct link, and that one is probed.

use proto::id::MachineId;

use crate::event::ConnId;

/// What is compared of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) id: ConnId,
    /// Whether the other machine dialled.
    pub(crate) inbound: bool,
    /// Whether it goes through no relay.
    pub(crate) direct: bool,
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

/// Decides about `candidate`, a link between `me` and `peer`. `dialling`: an own attempt has proven the peer's key, and
/// whether that attempt is direct.
pub(crate) fn decide(
    me: &MachineId,
    peer: &MachineId,
    standing: Option<Incumbent>,
    dialling: Option<bool>,
    candidate: Brief,
) -> Decision {
    let Some(Incumbent { link: standing, settled }) = standing else {
        let preferred = dialling.is_some_and(|direct| if direct == candidate.direct { me < peer } else { direct });
        return if candidate.inbound && preferred { Decision::WaitForDial } else { Decision::Accept };
    };
    if !candidate.inbound {
        // The other side accepted it; but what stands was accepted meanwhile, and only the rule may undo that.
        let same_kind = standing.direct == candidate.direct;
        let first = if same_kind { standing.inbound && me < peer } else { candidate.direct };
        let preferred = first && standing.instance == candidate.instance;
        return if preferred { Decision::Replace } else { Decision::Refuse };
    }
    if standing.instance != candidate.instance {
        return Decision::Probe;
    }
    if standing.direct != candidate.direct {
        return if candidate.direct { Decision::Replace } else { Decision::Probe };
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
        Brief { id: ConnId(id), inbound, direct: true, instance: 7 }
    }

    fn standing(link: Brief) -> Option<Incumbent> {
        Some(Incumbent { link, settled: false })
    }

    #[test]
    fn a_machine_that_dials_long_after_a_link_came_up_has_lost_it() {
        let old = Some(Incumbent { link: link(1, false), settled: true });
        assert_eq!(decide(&SMALL, &LARGE, old, None, link(2, true)), Decision::Replace);
        let other_run = Brief { instance: 8, ..link(2, true) };
        assert_eq!(decide(&SMALL, &LARGE, old, None, other_run), Decision::Probe, "because it may be a copy");
    }

    #[test]
    fn both_sides_keep_the_link_that_the_smaller_machine_dialled() {
        // Seen from the smaller: its own dial is outbound.
        assert_eq!(decide(&SMALL, &LARGE, standing(link(1, true)), None, link(2, false)), Decision::Replace);
        assert_eq!(decide(&SMALL, &LARGE, standing(link(1, false)), None, link(2, true)), Decision::Probe);
        // Seen from the larger: the smaller's dial is inbound.
        assert_eq!(decide(&LARGE, &SMALL, standing(link(1, false)), None, link(2, true)), Decision::Replace);
        assert_eq!(decide(&LARGE, &SMALL, standing(link(1, true)), None, link(2, false)), Decision::Refuse);
    }

    #[test]
    fn an_inbound_link_waits_for_our_preferred_dial_only() {
        assert_eq!(decide(&SMALL, &LARGE, None, Some(true), link(1, true)), Decision::WaitForDial);
        assert_eq!(decide(&LARGE, &SMALL, None, Some(true), link(1, true)), Decision::Accept);
        assert_eq!(
            decide(&SMALL, &LARGE, None, Some(true), link(1, false)),
            Decision::Accept,
            "because it is that dial"
        );
    }

    #[test]
    fn of_two_links_of_one_dialler_the_newer_stays() {
        assert_eq!(decide(&SMALL, &LARGE, standing(link(1, true)), None, link(2, true)), Decision::Replace);
        assert_eq!(decide(&SMALL, &LARGE, standing(link(2, true)), None, link(1, true)), Decision::Refuse);
    }

    #[test]
    fn a_direct_link_goes_before_a_tunnel_on_both_sides() {
        let tunnel = |id, inbound| Brief { direct: false, ..link(id, inbound) };
        for (me, peer) in [(SMALL, LARGE), (LARGE, SMALL)] {
            for dialled in [false, true] {
                let settled = Some(Incumbent { link: tunnel(1, dialled), settled: true });
                for old in [standing(tunnel(1, dialled)), settled] {
                    assert_eq!(decide(&me, &peer, old, None, link(2, true)), Decision::Replace);
                    assert_eq!(decide(&me, &peer, old, None, link(2, false)), Decision::Replace);
                }
                let direct = standing(link(1, dialled));
                assert_eq!(decide(&me, &peer, direct, None, tunnel(2, false)), Decision::Refuse);
                assert_eq!(
                    decide(&me, &peer, direct, None, tunnel(2, true)),
                    Decision::Probe,
                    "because who dials a tunnel has lost the direct link"
                );
            }
            assert_eq!(decide(&me, &peer, None, Some(true), tunnel(1, true)), Decision::WaitForDial);
            assert_eq!(decide(&me, &peer, None, Some(false), link(1, true)), Decision::Accept);
        }
    }

    #[test]
    fn another_run_of_the_program_never_replaces_a_link_unprobed() {
        let other = Brief { instance: 8, ..link(2, true) };
        assert_eq!(decide(&LARGE, &SMALL, standing(link(1, true)), None, other), Decision::Probe);
        let ours = Brief { instance: 8, ..link(2, false) };
        assert_eq!(decide(&SMALL, &LARGE, standing(link(1, true)), None, ours), Decision::Refuse);
    }
}
