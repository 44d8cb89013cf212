//! The door to the faults of the simulated database, which is only there where the server was started with `--store-faults`:
//! `POST` imposes one, `DELETE` lifts it, `GET` says how many requests it has met.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::json;

use super::Pages;
use crate::store::faulty::{Fault, Faults};

/// Where the door is.
pub(super) const PATH: &str = "/debug/store-faults";

/// The door, behind the gate of the debug pages.
pub(super) fn router(faults: Arc<Faults>) -> Router<Pages> {
    let door = post(impose).delete(lift).get(met).with_state(faults);
    Router::new().route(PATH, door)
}

#[derive(Deserialize)]
struct Asked {
    name: String,
    kind: Kind,
    /// Of the inserts, from 0 to 1.
    share: Option<f64>,
    /// How much longer a slow one takes, in milliseconds.
    ms: Option<u64>,
    /// The number of the error of a failing one.
    code: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Slow,
    Failing,
    Disconnecting,
    ReplyLost,
    Frozen,
    Down,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn impose(State(faults): State<Arc<Faults>>, Query(asked): Query<Asked>) -> Response {
    let fault = match (asked.kind, asked.ms, asked.code) {
        (Kind::Slow, Some(ms), _) => Fault::Slow(Duration::from_millis(ms)),
        (Kind::Slow, None, _) => {
            return (StatusCode::BAD_REQUEST, "ms: how much longer?\n").into_response();
        }
        (Kind::Failing, _, code) => Fault::Failing {
            code: code.unwrap_or_default(),
        },
        (Kind::Disconnecting, ..) => Fault::Disconnecting,
        (Kind::ReplyLost, ..) => Fault::ReplyLost,
        (Kind::Frozen, ..) => Fault::Frozen,
        (Kind::Down, ..) => Fault::Down,
    };
    let share = match fault {
        Fault::Frozen | Fault::Down => 1.0,
        _ => asked.share.unwrap_or(1.0),
    };
    tracing::warn!(
        "a fault of the store is imposed: {} ({fault:?})",
        asked.name
    );
    faults.impose(asked.name, fault, share);
    told(Some(0))
}

async fn lift(State(faults): State<Arc<Faults>>, Query(named): Query<Named>) -> Response {
    let met = faults.lift(&named.name);
    tracing::warn!("a fault of the store is lifted: {}", named.name);
    told(met)
}

async fn met(State(faults): State<Arc<Faults>>, Query(named): Query<Named>) -> Response {
    told(faults.met(&named.name))
}

fn told(met: Option<u64>) -> Response {
    match met {
        Some(met) => Json(json!({ "met": met })).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no fault of that name\n").into_response(),
    }
}
