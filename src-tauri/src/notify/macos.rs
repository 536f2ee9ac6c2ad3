//! Notifications of macOS: the user notification centre.
//!
//! It takes them only from a program in an application bundle; run from a terminal, Landline says so in its settings.
//! A click while the program runs comes back here. After the program has ended, macOS starts it again for a click, and
//! the window opens at the session list: the centre tells the session only to a program that was running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use mac_usernotifications as center;
use tokio::sync::mpsc;

use super::{Notification, Notifier, NotifyError, READ, REPLY, Response};

/// The notification centre of macOS.
#[derive(Debug)]
pub struct MacNotifier {
    responses: mpsc::Sender<Response>,
    tasks: node::Spawner,
    /// The task that waits for the click on each, by key.
    waiting: Arc<Mutex<HashMap<String, node::Task>>>,
}

impl MacNotifier {
    /// What a person does with them goes to `responses`.
    #[must_use]
    pub fn new(responses: mpsc::Sender<Response>, tasks: node::Spawner) -> Self {
        Self { responses, tasks, waiting: Arc::default() }
    }

    fn wait_no_more(&self, key: &str) {
        if let Some(task) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(key) {
            task.abort();
        }
    }
}

impl Notifier for MacNotifier {
    async fn show(&self, notification: Notification) -> Result<(), NotifyError> {
        match center::request_auth().await {
            Ok(true) => {}
            Ok(false) => {
                return Err(NotifyError::Refused("notifications are switched off in System Settings".to_owned()));
            }
            Err(error) => return Err(NotifyError::NoService(error.to_string())),
        }
        self.wait_no_more(&notification.key);
        // The same identifier replaces what stands under it. With a button the centre also reports a dismissal.
        let mut content = center::Notification::new()
            .title(&notification.title)
            .message(&notification.body)
            .id(&notification.key)
            .action(center::Action::button("open", &notification.open_label));
        if let Some(answer) = &notification.answer {
            content = content
                .action(center::Action::reply(REPLY, &answer.reply, &answer.send, &answer.reply))
                .action(center::Action::button(READ, &answer.read));
        }
        if notification.sound {
            content = content.default_sound();
        }
        let handle = content.send().await.map_err(|error| NotifyError::Refused(error.to_string()))?;
        let responses = self.responses.clone();
        let task = self.tasks.spawn("notification click", async move {
            if let Ok(response) = handle.response().await
                && !response.is_dismiss_action()
                && !response.is_timed_out()
            {
                let (action, text) = (response.action_identifier.as_str(), response.reply_text.clone());
                let _ = responses.send(Response::of(action, notification.destination, text, None)).await;
            }
        });
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(notification.key, task);
        Ok(())
    }

    async fn withdraw(&self, key: &str) {
        self.wait_no_more(key);
        center::close_delivered(key).await;
    }

    async fn available(&self) -> Result<(), NotifyError> {
        center::check_bundle().map_err(|error| NotifyError::NoService(error.to_string()))
    }
}
