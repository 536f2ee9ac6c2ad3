//! Who sees whom.

use proto::relay::{FromRelay, RefusalCode, ToRelay, Token, TokenEntry};

use crate::scene::{Scene, anna, bob, id, key};

#[tokio::test]
async fn only_holders_of_a_token_see_who_comes_and_goes() {
    let scene = Scene::new().await;
    let (mut bobs, mut carols) = (scene.nobody().await, scene.nobody().await);
    assert!(!bobs.watch(id(&anna()), &key()).await);
    assert!(!carols.watch(id(&anna()), &Token::from_bytes([9; 32])).await);

    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    assert!(bobs.sees(id(&anna())).await);
    let request = annas.number();
    let revoked = ToRelay::Tokens { request, add: vec![], remove: vec![key().hash()], replace: false };
    annas.done(revoked).await;
    assert!(!bobs.sees(id(&anna())).await, "because a revoked token shows nothing");
    annas.gives(&key()).await;
    assert!(bobs.sees(id(&anna())).await);
    drop(annas);
    assert!(!bobs.sees(id(&anna())).await, "because she has gone");

    // She comes back: her tokens are kept, and whoever watches is told.
    let _annas = scene.machine(&anna()).await;
    assert!(bobs.sees(id(&anna())).await);
    assert!(!carols.watch(id(&anna()), &Token::from_bytes([9; 32])).await, "because nothing came in between");
    assert!(carols.watch(id(&anna()), &key()).await);
}

#[tokio::test]
async fn a_token_ends_when_its_time_is_over() {
    let scene = Scene::new().await;
    let mut annas = scene.machine(&anna()).await;
    let entry = TokenEntry { hash: key().hash(), lifetime_s: Some(600) };
    let request = annas.number();
    annas.done(ToRelay::Tokens { request, add: vec![entry], remove: vec![], replace: false }).await;
    let mut bobs = scene.machine(&bob()).await;
    assert!(bobs.watch(id(&anna()), &key()).await);
    scene.clock.advance(std::time::Duration::from_secs(600));
    assert!(!bobs.sees(id(&anna())).await);
    assert_eq!(bobs.open(id(&anna()), &key()).await, Err(RefusalCode::Unreachable));
}

#[tokio::test]
async fn watches_are_replaced_and_limited() {
    let scene = Scene::new().await;
    let mut annas = scene.machine(&anna()).await;
    annas.gives(&key()).await;
    let mut bobs = scene.nobody().await;
    let others = |from: u32| -> Vec<_> {
        let machine = |number: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            (proto::MachineId::from_bytes(bytes), key())
        };
        (from..from + 2_048).map(machine).collect()
    };
    for from in [0, 2_048] {
        let request = bobs.number();
        bobs.done(ToRelay::Watch { request, items: others(from), replace: false }).await;
        let Some(FromRelay::Presence { items }) = bobs.next().await else { panic!("no presence") };
        assert!(items.len() == 2_048 && items.iter().all(|(_, online)| !online));
    }
    let request = bobs.number();
    let refused = bobs.refused(ToRelay::Watch { request, items: vec![(id(&anna()), key())], replace: false }).await;
    assert_eq!((refused.code, refused.limit), (RefusalCode::TooMany, Some(4_096)));
    let request = bobs.number();
    bobs.done(ToRelay::Watch { request, items: vec![(id(&anna()), key())], replace: true }).await;
    assert!(bobs.sees(id(&anna())).await);
}
