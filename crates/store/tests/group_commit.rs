//! Jobs share a commit and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod scene;

use std::future::poll_fn;
use std::sync::mpsc;
use std::task::Poll;

use landline_store::{StoreError, settings};
use scene::Scene;
use tokio::task::JoinSet;

/// Holds the writer until told to go on, so that what is sent meanwhile becomes one group.
fn hold(scene: &Scene) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), StoreError>>) {
    let (go, wait) = mpsc::channel();
    let store = scene.store.clone();
    #[allow(clippy::disallowed_methods, reason = "a test's task")]
    let held = tokio::spawn(async move {
        store
            .write(move |_| {
                wait.recv().unwrap();
                Ok(())
            })
            .await
    });
    (go, held)
}

#[tokio::test]
async fn a_job_that_fails_or_panics_takes_no_other_with_it() {
    let scene = Scene::new();
    let (go, held) = hold(&scene);
    let mut jobs = JoinSet::new();
    for number in 0..30_u32 {
        let store = scene.store.clone();
        jobs.spawn(async move {
            let job = store.write(move |tx| {
                settings::set(tx, &format!("{number:02}"), &number.into())?;
                match number % 10 {
                    3 => Err(StoreError::Missing("something")),
                    7 => panic!("a job that panics on purpose"),
                    _ => Ok(number),
                }
            });
            (number, job.await)
        });
    }
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    while let Some(done) = jobs.join_next().await {
        let (number, outcome) = done.unwrap();
        let expected = match number % 10 {
            3 => Err(StoreError::Missing("something")),
            7 => Err(StoreError::Panicked),
            _ => Ok(number),
        };
        assert_eq!(outcome, expected, "job {number}");
    }
    let kept: Vec<String> = scene.store.read(settings::all).await.unwrap().into_iter().map(|(name, _)| name).collect();
    let expected: Vec<String> =
        (0..30).filter(|number| ![3, 7].contains(&(number % 10))).map(|number| format!("{number:02}")).collect();
    assert_eq!(kept, expected, "exactly the changes of the jobs that succeeded are there");

    scene.store.write(|tx| settings::set(tx, "later", &1.into())).await.expect("the writer lives on");
}

#[tokio::test]
async fn a_read_that_panics_leaves_its_connection_usable() {
    let scene = Scene::new();
    for _ in 0..10 {
        let outcome: Result<(), StoreError> = scene.store.read(|_| panic!("a read that panics on purpose")).await;
        assert_eq!(outcome, Err(StoreError::Panicked));
    }
    assert_eq!(scene.store.read(|r| settings::get(r, "none")).await, Ok(None));
}

#[tokio::test]
async fn a_read_can_not_write() {
    let scene = Scene::new();
    scene.store.write(|tx| settings::set(tx, "one", &1.into())).await.unwrap();
    // There is no way to write with a Reader; that the connection refuses too is checked beside `connection::reader`.
    let seen = scene.store.read(|r| settings::get(r, "one")).await.unwrap();
    assert_eq!(seen, Some(1.into()), "an answered write is seen by the next read");
}

#[tokio::test]
async fn closing_does_what_was_sent_and_refuses_what_comes_after() {
    let scene = Scene::new();
    let other = scene.store.clone();
    let (go, held) = hold(&scene);
    tokio::task::yield_now().await;
    let mut jobs = Vec::new();
    for number in 0..100_u32 {
        let store = scene.store.clone();
        let mut job =
            Box::pin(
                async move { store.write(move |tx| settings::set(tx, &number.to_string(), &number.into())).await },
            );
        // The first poll sends the job.
        assert!(poll_fn(|context| Poll::Ready(job.as_mut().poll(context))).await.is_pending());
        jobs.push(job);
    }
    let mut close = Box::pin(scene.store.clone().close());
    assert!(poll_fn(|context| Poll::Ready(close.as_mut().poll(context))).await.is_pending());
    let late = other.write(|tx| settings::set(tx, "late", &1.into()));
    go.send(()).unwrap();
    held.await.unwrap().unwrap();
    assert_eq!(late.await, Err(StoreError::Closed));
    close.await.unwrap();
    for job in jobs {
        assert_eq!(job.await, Ok(()), "what was sent before is done");
    }
    assert_eq!(other.read(|_| Ok(())).await, Err(StoreError::Closed));
    other.close().await.expect("closing twice is nothing");
    let scene = scene.reopened().await;
    assert_eq!(scene.store.read(settings::all).await.unwrap().len(), 100);
}
