//! Commands about meetings over the control endpoint, and what comes back of them.

use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use serde_json::{Value, json};

use super::text;
use crate::cloud::{
    Cloud, DecorateRequest, Decorating, FreeBusyItem, Guest, NewMeeting, Reply, Report, When,
};
use crate::endpoint::Outcome;

/// Requests for join details are answered as long as this stands.
pub(super) type Standing = Arc<Mutex<Option<Decorating>>>;

/// Nothing where the request is another's business.
pub(super) async fn act(
    cloud: &Cloud,
    decorating: &Standing,
    method: &Method,
    parts: &[&str],
    body: &Value,
) -> Option<Outcome> {
    Some(match (method.as_str(), parts) {
        ("POST", ["meetings", "create"]) => create(cloud, body).await,
        ("POST", ["meetings", "respond"]) => respond(cloud, body).await,
        ("POST", ["free-busy"]) => ask(cloud, body).await,
        ("GET", ["users", user, "free-busy", request]) => {
            let answer = cloud.free_busy(user, request).await;
            Ok(answer.items.iter().map(item).collect())
        }
        ("GET", ["users", user, "decorate-requests"]) => {
            Ok(cloud.decorate_requests(user).await.iter().map(request).collect())
        }
        ("GET", ["users", user, "reports"]) => Ok(cloud.view(|view| {
            let all = view.reports().iter().filter(|report| report.subject == *user);
            all.map(|one| report(one)).collect()
        })),
        ("GET", ["commands", id, "result"]) => {
            let result = cloud.result(id).await;
            let count = cloud.view(|view| view.results(id).len());
            Ok(json!({
                "outcome": result.outcome,
                "reason": result.reason,
                "id": result.id,
                "start": result.start,
                "count": count,
            }))
        }
        ("POST", ["decorate"]) => decorate(cloud, body).await,
        ("POST", ["decorate-all"]) => {
            let body = body.clone();
            let standing = cloud.decorate_all(move |request| said(&body, request));
            stand(decorating, Some(standing));
            Ok(json!({}))
        }
        ("DELETE", ["decorate-all"]) => {
            stand(decorating, None);
            Ok(json!({}))
        }
        _ => return None,
    })
}

fn stand(decorating: &Standing, standing: Option<Decorating>) {
    *decorating.lock().unwrap_or_else(PoisonError::into_inner) = standing;
}

fn word(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

async fn create(cloud: &Cloud, body: &Value) -> Outcome {
    let guest = |one: &Value| Guest {
        email: word(one, "email"),
        name: word(one, "name"),
        kind: word(one, "type"),
    };
    let when = match body["start"].as_str() {
        Some(start) => When::At(start.into()),
        None => When::Between {
            from: text(body, "from")?.into(),
            to: text(body, "to")?.into(),
            working_hours: body["workingHours"].as_bool(),
        },
    };
    let meeting = NewMeeting {
        subject: text(body, "subject")?.into(),
        notes: word(body, "notes"),
        location: word(body, "location"),
        guests: body["guests"].as_array().into_iter().flatten().map(guest).collect(),
        keyword: word(body, "keyword"),
        time_zone: word(body, "timeZone"),
        when,
        minutes: body["minutes"].as_u64().unwrap_or(30),
    };
    Ok(json!({"command": cloud.create_meeting(text(body, "user")?, &meeting).await}))
}

async fn respond(cloud: &Cloud, body: &Value) -> Outcome {
    let reply = Reply {
        id: text(body, "id")?.into(),
        start: text(body, "start")?.into(),
        response: text(body, "response")?.into(),
        comment: word(body, "comment"),
        notify: body["notify"].as_bool(),
    };
    Ok(json!({"command": cloud.respond(text(body, "user")?, &reply).await}))
}

async fn ask(cloud: &Cloud, body: &Value) -> Outcome {
    let emails: Vec<&str> =
        body["emails"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let span = (text(body, "start")?, text(body, "end")?);
    let minutes = body["intervalMinutes"].as_u64();
    let (command, request) = cloud.ask_free_busy(text(body, "user")?, &emails, span, minutes).await;
    Ok(json!({"command": command, "requestId": request}))
}

/// The join details that a body has, or the reason why there are none; a body without either gets
/// some that fit the request.
fn said(body: &Value, request: &DecorateRequest) -> Result<Value, String> {
    match (&body["details"], body["reason"].as_str()) {
        (Value::Null, Some(reason)) => Err(reason.to_owned()),
        (Value::Null, None) => Ok(request.details()),
        (details, _) => Ok(details.clone()),
    }
}

async fn decorate(cloud: &Cloud, body: &Value) -> Outcome {
    let (user, id) = (text(body, "user")?, text(body, "requestId")?);
    let all = cloud.decorate_requests(user).await;
    let request = all.iter().rev().find(|request| request.request_id == id);
    let request = request.ok_or((404, "no such request".to_owned()))?;
    let said = said(body, request);
    let command = cloud.decorate(request, said.as_ref().map_err(String::as_str)).await;
    Ok(json!({"command": command}))
}

fn request(request: &DecorateRequest) -> Value {
    json!({
        "requestId": request.request_id,
        "id": request.id,
        "seriesId": request.series,
        "start": request.start,
        "durationMinutes": request.minutes,
        "isRecurring": request.recurring,
        "keyword": request.keyword,
        "mode": request.mode,
        "language": request.language,
        "subject": request.subject,
        "guests": request.guests,
    })
}

fn item(item: &FreeBusyItem) -> Value {
    let busy = item
        .busy
        .iter()
        .map(|(start, end, kind)| json!({"start": start, "end": end, "busyType": kind}));
    json!({
        "email": item.email,
        "outcome": item.outcome,
        "merged": item.merged,
        "items": busy.collect::<Vec<_>>(),
    })
}

fn report(report: &Report) -> Value {
    json!({
        "type": report.kind,
        "event": report.event,
        "sequence": report.sequence,
        "data": report.json,
    })
}
