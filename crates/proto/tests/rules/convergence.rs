//! Same events, any order, any duplication: the same state on every machine.

use crate::people::{Machine, alice, bob, pair};
use landline_proto::{Body, Run};
use proptest::prelude::*;
use proptest::sample::Index;

/// One step of a conversation.
#[derive(Debug, Clone)]
enum Step {
    AliceWrites(usize),
    BobWrites(usize),
    /// Everything that Alice wrote reaches Bob, or the other way round.
    BobHears,
    AliceHears,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1usize..4).prop_map(Step::AliceWrites),
        (1usize..4).prop_map(Step::BobWrites),
        Just(Step::BobHears),
        Just(Step::AliceHears),
    ]
}

/// Plays a conversation, and gives all its runs with the two machines that had it.
fn play(steps: &[Step]) -> (Machine, Machine, Vec<Run>) {
    let (mut a, mut b) = pair();
    let mut runs: Vec<Run> = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let bodies = |count: &usize| (0..*count).map(|n| Body::message(format!("{number}.{n}"))).collect::<Vec<_>>();
        match step {
            Step::AliceWrites(count) => runs.push(a.write(&bodies(count))),
            Step::BobWrites(count) => runs.push(b.write(&bodies(count))),
            Step::BobHears => runs.iter().for_each(|run| b.receive(run)),
            Step::AliceHears => runs.iter().for_each(|run| a.receive(run)),
        }
    }
    (a, b, runs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_duplication_end_in_the_same_state(
        steps in prop::collection::vec(step(), 1..24),
        picks in prop::collection::vec(any::<Index>(), 0..40),
        order in any::<u64>(),
    ) {
        let (mut a, mut b, runs) = play(&steps);
        runs.iter().for_each(|run| a.receive(run));
        runs.iter().for_each(|run| b.receive(run));

        // What a machine of Alice's that lost everything hears, in some order, with repetitions.
        let mut heard: Vec<&Run> = runs.iter().collect();
        if !runs.is_empty() {
            heard.extend(picks.iter().map(|pick| &runs[pick.index(runs.len())]));
        }
        heard.sort_by_key(|run| blake3::hash(&[&order.to_be_bytes()[..], run.events()[0].id().as_bytes()].concat()).to_hex());
        let mut restored = Machine::new(alice(), bob().machine_id(), 1 << 40);
        heard.iter().for_each(|run| restored.receive(run));

        prop_assert_eq!(restored.waiting(), 0);
        prop_assert_eq!(a.vector().digest(), b.vector().digest());
        prop_assert_eq!(restored.vector().digest(), a.vector().digest());
        prop_assert_eq!(a.transcript(), b.transcript());
        prop_assert_eq!(restored.transcript(), a.transcript());
    }

    #[test]
    fn the_order_shown_never_puts_an_answer_before_what_it_answers(steps in prop::collection::vec(step(), 1..24)) {
        let (mut a, _, runs) = play(&steps);
        runs.iter().for_each(|run| a.receive(run));
        let transcript = a.transcript();
        let place = |id| transcript.iter().position(|(_, other, _)| *other == id).unwrap();
        for event in runs.iter().flat_map(Run::events) {
            for before in event.header().prev.iter().chain(&event.header().parents) {
                prop_assert!(place(*before) < place(event.id()));
            }
        }
        let texts: Vec<String> = transcript.iter().map(|(order, ..)| order.to_string()).collect();
        prop_assert!(texts.is_sorted(), "the text form of the order sorts as the order does");
    }
}
