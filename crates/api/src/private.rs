//! What only those see who may do everything: where files lie on this machine.

use serde_json::Value;

/// Takes the paths of attachments and uploads out of an answer or an event.
pub(crate) fn hide_paths(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if (object.contains_key("attachmentId") || object.contains_key("uploadId"))
                && let Some(path) = object.get_mut("path")
            {
                *path = Value::Null;
            }
            object.values_mut().for_each(hide_paths);
        }
        Value::Array(array) => array.iter_mut().for_each(hide_paths),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_paths_of_attachments_are_hidden() {
        let mut value = json!({"items": [{"path": "direct", "attachments": [{"attachmentId": "x", "path": "/data/a"}],
                "draftAttachments": [{"uploadId": "y", "path": "/data/b"}]}]});
        hide_paths(&mut value);
        let expected = json!({"items": [{"path": "direct", "attachments": [{"attachmentId": "x", "path": null}],
            "draftAttachments": [{"uploadId": "y", "path": null}]}]});
        assert_eq!(value, expected);
    }
}
