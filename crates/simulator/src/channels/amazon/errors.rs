//! Error bodies in Amazon's own shape: `{"errors":[{"code","message","details"}]}`; the login
//! service has `{"error","error_description"}`.

use crate::core::channel::json;
use axum::response::Response;
use serde_json::json as j;

/// An error of the API.
pub(super) fn fail(status: u16, code: &str, message: &str, details: &str) -> Response {
    json(status, &j!({"errors": [{"code": code, "message": message, "details": details}]}))
}

/// 400 `InvalidInput`.
pub(super) fn invalid(message: &str) -> Response {
    fail(400, "InvalidInput", message, "")
}

/// 404 `NotFound`.
pub(super) fn missing(what: &str) -> Response {
    fail(404, "NotFound", what, "")
}

/// An error of the login service.
pub(super) fn lwa_error(error: &str, description: &str) -> Response {
    let status = if error == "invalid_client" { 401 } else { 400 };
    json(status, &j!({"error": error, "error_description": description}))
}
