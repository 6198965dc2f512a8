//! The client against a scripted server: the number of requests, and the results for late, lost and foreign
//! responses.

use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const LIST: Endpoint = Endpoint { name: "GET organizations", needs: "manage-organizations" };
const USER: Endpoint = Endpoint { name: "GET users/{id}", needs: "manage-users" };

/// The server's reaction to a call.
#[derive(Clone, Copy)]
enum Does {
    /// Responds with a status, a header and a body.
    Says(u16, &'static str, &'static str),
    Closes,
    Holds,
}

const JSON: &str = "Content-Type: application/json";
const HTML: &str = "Content-Type: text/html; charset=utf-8";

/// A client of a server that issues tokens and reacts like this to all other calls.
async fn client(does: Does) -> Arc<Client> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, does));
        }
    });
    let secret = |name: &str| (name == credentials::CLIENT_SECRET).then(|| "hunter2".to_owned());
    Arc::new(Client::new(Settings::read(&format!("keycloak:{base}#workspace"), secret).unwrap()).unwrap())
}

async fn serve(mut stream: TcpStream, does: Does) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await.unwrap() == 0 {
            return;
        }
    }
    let does = if request.starts_with(b"POST /realms/") {
        Does::Says(200, JSON, r#"{"access_token": "a.b.c", "expires_in": 300}"#)
    } else {
        does
    };
    match does {
        Does::Says(status, header, body) => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} so\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
            // The rest of the request is read; otherwise the client would not receive the response.
            while stream.read_buf(&mut request).await.is_ok_and(|more| more > 0) {}
        }
        Does::Closes => {}
        Does::Holds => std::future::pending().await,
    }
}

fn calls(client: &Client, endpoint: &str) -> u64 {
    client.calls().get(endpoint).copied().unwrap_or_default()
}

fn unavailable(failed: Result<Answer, ClientError>) -> String {
    match failed {
        Err(ClientError::Fault(Error::Unavailable { context })) => context,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn one_token_serves_concurrent_and_later_calls() {
    let client = client(Does::Says(200, JSON, "{}")).await;
    let all = (0..20).map(|_| client.call(Call::get(USER, &["users", "1"])));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok));
    client.call(Call::get(USER, &["users", "1"])).await.unwrap();
    assert_eq!((calls(&client, "POST token"), calls(&client, USER.name)), (1, 21));
}

#[tokio::test]
async fn each_call_is_reported_to_the_observer_with_its_result() {
    for (does, result) in [
        (Does::Says(200, JSON, "{}"), "ok"),
        (Does::Says(404, JSON, "{}"), "refused"),
        (Does::Says(503, JSON, "{}"), "error"),
        (Does::Says(200, HTML, "<html>"), "error"),
        (Does::Closes, "error"),
    ] {
        let (client, reports) = (client(does).await, Arc::new(Mutex::new(Vec::new())));
        let seen = reports.clone();
        client.observe_calls(Arc::new(move |report| seen.lock().unwrap().push((report.endpoint, report.result))));
        drop(client.call(Call::put(USER, &["users", "1"])).await);
        assert_eq!(*reports.lock().unwrap(), [("POST token", "ok"), (USER.name, result)]);
    }
}

#[tokio::test]
async fn failed_connection_retries_reads_once_and_never_writes() {
    let client = client(Does::Closes).await;
    unavailable(client.call(Call::get(USER, &["users", "1"])).await);
    assert_eq!(calls(&client, USER.name), 2);
    for call in [Call::post(LIST, &["organizations"]).json(json!({})), Call::put(LIST, &[]), Call::delete(LIST, &[])] {
        let before = calls(&client, LIST.name);
        unavailable(client.call(call).await);
        assert_eq!(calls(&client, LIST.name), before + 1);
    }
}

#[tokio::test]
async fn failed_connection_is_reported_without_the_url() {
    let client = client(Does::Closes).await;
    let said = unavailable(client.call(Call::get(USER, &["users", "hunter3"])).await);
    assert!(!said.contains("hunter3") && !said.contains("127.0.0.1"), "{said}");
}

#[tokio::test]
async fn redirect_is_an_answer_and_is_not_followed() {
    for status in [301, 302, 307, 308] {
        let client = client(Does::Says(status, "Location: http://127.0.0.1:9/elsewhere", "{}")).await;
        let refused = client.call(Call::get(USER, &["users", "1"])).await.unwrap_err();
        assert!(refused.is(status), "{refused:?}");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_ends_with_the_deadline() {
    let client = client(Does::Holds).await;
    let call = Call { deadline: Duration::from_millis(50), ..Call::get(USER, &["users", "1"]) };
    let late = client.call(call).await.unwrap_err();
    assert_eq!(late, ClientError::Late { endpoint: USER.name, after: Duration::from_millis(50) });
    assert_eq!(Error::from(late).to_string(), "the directory does not answer: GET users/{id}: no answer in 0.05s");
    assert_eq!(calls(&client, USER.name), 2);
    assert_eq!(client.waiting(), None);
}

#[tokio::test]
async fn listing_page_that_is_late_is_not_asked_for_again() {
    let client = client(Does::Holds).await;
    let call = Call { deadline: Duration::from_millis(50), ..Call::get(LIST, &["organizations"]).listing(0, 100) };
    let late = client.call(call).await.unwrap_err();
    assert_eq!(late, ClientError::Late { endpoint: LIST.name, after: Duration::from_millis(50) });
    assert_eq!(calls(&client, LIST.name), 1);
}

#[tokio::test]
async fn rejected_token_is_requested_twice_and_then_refused() {
    let client = client(Does::Says(401, JSON, r#"{"error":"HTTP 401 Unauthorized"}"#)).await;
    let refused = client.call(Call::get(USER, &["users", "1"])).await;
    assert!(matches!(&refused, Err(ClientError::Fault(Error::Refused { .. }))), "{refused:?}");
    assert_eq!((calls(&client, "POST token"), calls(&client, USER.name)), (2, 2));
}

#[tokio::test]
async fn only_keycloak_can_say_that_something_is_not_there() {
    let of_keycloak = client(Does::Says(404, JSON, r#"{"error":"User not found"}"#)).await;
    assert!(optional(of_keycloak.call(Call::get(USER, &["users", "1"])).await).unwrap().is_none());
    for (status, header, body) in [
        (404, HTML, "<html>default backend</html>"),
        (404, JSON, r#"{"message":"no Route matched with those values"}"#),
        (404, "X: x", ""),
        (200, HTML, "<html>Sign in to the VPN</html>"),
    ] {
        let other = client(Does::Says(status, header, body)).await;
        for call in [Call::get(USER, &["users", "1"]), Call::delete(USER, &["users", "1"])] {
            let said = match optional(other.call(call).await) {
                Err(ClientError::Fault(Error::Unavailable { context })) => context,
                other => unreachable!("{other:?}"),
            };
            assert!(said.contains("something else than Keycloak answered"), "{said}");
        }
    }
}

#[tokio::test]
async fn unknown_endpoint_is_refused_and_not_read_as_absent_object() {
    for (endpoint, body, says) in [
        (LIST, r#"{"error":"HTTP 404 Not Found"}"#, "it takes Keycloak 26.6 or newer"),
        (USER, r#"{"error":"Unable to find matching target resource method"}"#, "Keycloak has nothing at this URL"),
    ] {
        let other = client(Does::Says(404, JSON, body)).await;
        let refused = optional(other.call(Call::get(endpoint, &[])).await);
        let Err(ClientError::Fault(Error::Refused { message })) = refused else { unreachable!("{refused:?}") };
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn retry_after_is_returned_without_another_call() {
    for status in [429, 503] {
        let busy = client(Does::Says(status, "Retry-After: 7", "")).await;
        let fault = Error::from(busy.call(Call::get(USER, &["users", "1"])).await.unwrap_err());
        assert!(matches!(fault, Error::Busy { after, .. } if after.as_secs() == 7), "{fault:?}");
        assert_eq!(calls(&busy, USER.name), 1, "not asked again at once");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_read_is_not_repeated() {
    let client = client(Does::Says(200, JSON, "[\n\"hunter3\"]")).await;
    let answer = client.call(Call::get(USER, &["users", "1"])).await.unwrap();
    let said = Error::from(answer.read::<Vec<u64>>().unwrap_err()).to_string();
    assert!(said.contains("at line 2, column 9") && !said.contains("hunter3"), "{said}");
}
