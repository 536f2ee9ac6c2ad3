//! One program for each profile on a real bus: handing over, links, actions, and being started by the bus.

use std::collections::HashMap;
use std::path::Path;

use landline_desktop::APPLICATION_ID;
use landline_desktop::destination::Destination;
use landline_desktop::instance::Wish;
use landline_desktop::instance::linux::{Claim, bus_name, claim};
use tokio::sync::mpsc;
use zbus::zvariant::Value;

use crate::bus::{Bus, PATIENCE};

const SESSION: &str = "6f2c1a84-0b1d-8f3e-9a77-0123456789ab";
const PATH: &str = "/org/landline/Landline";
const INTERFACE: &str = "org.freedesktop.Application";

async fn first(bus: &Bus) -> (zbus::Connection, mpsc::Receiver<Wish>) {
    match claim(bus.builder(), APPLICATION_ID, &Wish::default()).await.unwrap() {
        (connection, Claim::First(wishes)) => (connection, wishes),
        other => panic!("nobody else runs: {other:?}"),
    }
}

async fn wished(wishes: &mut mpsc::Receiver<Wish>) -> Wish {
    tokio::time::timeout(PATIENCE, wishes.recv()).await.expect("the wish arrives").unwrap()
}

fn to_session(token: Option<&str>) -> Wish {
    Wish { destination: Destination::session(SESSION).ok(), activation_token: token.map(str::to_owned), read: None }
}

#[tokio::test]
async fn a_second_start_hands_over_link_and_token() {
    let bus = Bus::start();
    let (_connection, mut wishes) = first(&bus).await;
    for wish in [Wish::default(), to_session(Some("token")), to_session(None)] {
        let (_second, claim) = claim(bus.builder(), APPLICATION_ID, &wish).await.unwrap();
        assert!(matches!(claim, Claim::HandedOver), "because one runs already");
        assert_eq!(wished(&mut wishes).await, wish);
    }
}

#[tokio::test]
async fn after_the_first_has_ended_the_next_is_the_first() {
    let bus = Bus::start();
    let (connection, wishes) = first(&bus).await;
    connection.close().await.unwrap();
    drop(wishes);
    let _next = first(&bus).await;
}

#[tokio::test]
async fn other_profiles_are_other_programs() {
    let bus = Bus::start();
    let (_first, _wishes) = first(&bus).await;
    let other = bus_name(false, Path::new("/home/anna/work"));
    assert_ne!(other, bus_name(false, Path::new("/home/anna/play")));
    let (_other, claim) = claim(bus.builder(), &other, &Wish::default()).await.unwrap();
    assert!(matches!(claim, Claim::First(_)));
}

#[tokio::test]
async fn a_click_on_a_kept_notification_opens_its_session() {
    let bus = Bus::start();
    let (_connection, mut wishes) = first(&bus).await;
    let shell = bus.connect().await;
    let call = async |action: &str, parameter: Vec<Value<'_>>| {
        let platform = HashMap::from([("activation-token", Value::from("t"))]);
        shell
            .call_method(Some(APPLICATION_ID), PATH, Some(INTERFACE), "ActivateAction", &(action, parameter, platform))
            .await
    };
    call("open-session", vec![Value::from(SESSION)]).await.unwrap();
    assert_eq!(wished(&mut wishes).await, to_session(Some("t")));
    call("mark-read", vec![Value::from(SESSION)]).await.unwrap();
    let read = wished(&mut wishes).await;
    assert_eq!((read.read, read.destination), (Destination::session(SESSION).ok(), None), "the window stays as it is");
    call("activate", vec![]).await.unwrap();
    assert_eq!(wished(&mut wishes).await.destination, None);
    for (action, parameter) in [
        ("open-session", vec![]),
        ("open-session", vec![Value::from("../../etc/passwd")]),
        ("open-session", vec![Value::from(7)]),
        ("mark-read", vec![]),
        ("quit", vec![]),
    ] {
        assert!(call(action, parameter).await.is_err(), "{action}");
    }
    assert!(wishes.try_recv().is_err(), "because nothing that was refused is carried out");
}

#[tokio::test]
async fn an_invitation_goes_to_the_running_program_whole_and_only_as_a_wish() {
    let bus = Bus::start();
    let (_connection, mut wishes) = first(&bus).await;
    let link = "landline://add/landline1abc?name=Anna%20M&addr=%5Bfd00::7%5D:4281&token=x";
    let invitation = Wish { destination: link.parse().ok(), activation_token: Some("t".to_owned()), read: None };
    assert_eq!(invitation.destination, Some(Destination::Invitation(link.to_owned())));
    let (_second, claim) = claim(bus.builder(), APPLICATION_ID, &invitation).await.unwrap();
    assert!(matches!(claim, Claim::HandedOver), "because one runs already");
    assert_eq!(wished(&mut wishes).await, invitation);
    let browser = bus.connect().await;
    let platform = HashMap::from([("activation-token", Value::from("t"))]);
    let links = vec![link];
    browser.call_method(Some(APPLICATION_ID), PATH, Some(INTERFACE), "Open", &(links, platform)).await.unwrap();
    assert_eq!(wished(&mut wishes).await, invitation);
}

#[tokio::test]
async fn links_that_are_not_ours_only_raise() {
    let bus = Bus::start();
    let (_connection, mut wishes) = first(&bus).await;
    let browser = bus.connect().await;
    let links = vec!["https://example.org", "landline://accept/everyone", "landline://add"];
    let platform: HashMap<&str, Value<'_>> = HashMap::new();
    browser.call_method(Some(APPLICATION_ID), PATH, Some(INTERFACE), "Open", &(links, platform)).await.unwrap();
    assert_eq!(wished(&mut wishes).await, Wish::default());
}
