//! Watch events of the three kinds as the API server sends them: the object cache stores and returns their objects.

use guestlist::api;
use guestlist::cache::{AnyCachedObject, Kind, Object, ObjectCache, resource_version};
use guestlist::executor::object_store::Watched;
use guestlist::executor::received_object::ReceivedObject;
use guestlist::plan::annotations::all_ineffective;
use guestlist::validation::spec;
use jiff::Timestamp;
use kube::Resource;
use kube::api::WatchEvent;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::harness::{Subject, fuzz};

const WORDS: [&str; 16] = [
    "\"resourceVersion\":\"9\"",
    "\"uid\":\"\"",
    "\"generation\":-1,",
    "\"annotations\":{\"guestlist.dev/reset-mfa\":\"",
    "\"deletionTimestamp\":\"2027-01-01T00:00:00Z\",",
    "\"spec\":{},",
    "\"status\":{},",
    "\"guestUsers\":[",
    "\"methods\":[\"TOTP\"]",
    "null",
    "[]",
    "{}",
    "\"\\ud800\"",
    "\u{1}",
    "1.5",
    "2027-06-30T00:00:00+23:59",
];

const MEMBERSHIP: &str = r#"{"type":"ADDED","object":{"apiVersion":"guestlist.dev/v1alpha1","kind":"GuestMembership",
"metadata":{"name":"bob","namespace":"partners","uid":"5f3c","resourceVersion":"42","generation":2,
"creationTimestamp":"2027-01-01T00:00:00Z","finalizers":["guestlist.dev/access"],"labels":{"a":"b"},
"annotations":{"guestlist.dev/reset-mfa":"2027-01-01T00:00:00Z","guestlist.dev/paused":"true"},
"managedFields":[{"manager":"kubectl","operation":"Apply","apiVersion":"v1","time":"2027-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{}}}]},
"spec":{"partnerRef":{"name":"acme"},"email":"bob@acme.example","displayName":"Bob","role":"GuestAdmin","invitedBy":"alice@host.example",
"mfa":{"methods":["TOTP"]},"suspended":false,"expiresAt":"2027-06-30T00:00:00Z"},
"status":{"observedGeneration":1,"directoryId":"9b2d2f0c-3a47-5b0e-9c77-2d8d3c0a8f11","conditions":[{"type":"Ready","status":"True",
"observedGeneration":1,"lastTransitionTime":"2027-01-01T00:00:00Z","reason":"Invited","message":"The invitation is out and has not been accepted yet."}],
"state":"Invited","role":"GuestUser","invitation":{"sentAt":"2027-01-01T00:00:00Z","expiresAt":"2027-01-04T00:00:00Z"},"mfa":{"enrolled":"Unknown"},"accountCount":0}}}"#;
const PARTNER: &str = r#"{"type":"MODIFIED","object":{"apiVersion":"guestlist.dev/v1alpha1","kind":"LocalPartner",
"metadata":{"name":"acme","namespace":"partners","uid":"aa","resourceVersion":"43"},
"spec":{"displayName":"Acme","hostAdmins":["alice@host.example"],"mfa":{"methods":["TOTP","WebAuthn"]},"domains":{"allowed":["acme.example"]},
"maxGuests":5,"maxDuration":"720h","suspended":true,"adoption":"Never","deletionPolicy":"Block"},"status":{"conditions":[]}}}"#;
const SHARE: &str = r#"{"type":"DELETED","object":{"apiVersion":"guestlist.dev/v1alpha1","kind":"AccountShare",
"metadata":{"name":"ads","namespace":"partners","uid":"bb","resourceVersion":"44"},
"spec":{"partnerRef":{"name":"acme"},"account":"ads-manager","sharedBy":"alice@host.example",
"guestAdmins":[{"name":"carol","role":"Manager"}],"guestUsers":[{"name":"bob","propagatedBy":"carol","email":"bob@acme.example"}]}}}"#;
const BOOKMARK: &str = r#"{"type":"BOOKMARK","object":{"apiVersion":"guestlist.dev/v1alpha1","kind":"GuestMembership","metadata":{"resourceVersion":"45"}}}"#;
const ERROR: &str = r#"{"type":"ERROR","object":{"apiVersion":"v1","kind":"Status","status":"Failure","message":"too old","reason":"Expired","code":410}}"#;

/// Applies an event to the object cache as the operator does.
fn event<K: Watched>(index: &mut ObjectCache, text: &str) {
    let Ok(event) = serde_json::from_str::<WatchEvent<ReceivedObject<K>>>(text) else { return };
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            let version = object.meta().resource_version.clone().unwrap_or_default();
            drop(resource_version::parse(&version));
            let declared = object.declared();
            match &declared {
                Object::Partner(object) => reads_again(&**object),
                Object::Membership(object) => reads_again(&**object),
                Object::Share(object) => reads_again(&**object),
                Object::Unreadable { .. } => {}
            }
            all_ineffective(K::KIND, declared.metadata().annotations.iter().flatten(), Timestamp::UNIX_EPOCH);
            terms(&declared);
            let kept = AnyCachedObject::from(declared.clone());
            assert_eq!(kept.key(), declared.key());
            index.apply(declared);
            index.replace(&K::KIND.into(), vec![kept]);
        }
        WatchEvent::Deleted(object) => {
            let object = object.declared();
            index.delete(&object.key(), object.metadata().uid.as_deref().unwrap_or_default());
        }
        WatchEvent::Bookmark(bookmark) => drop(resource_version::parse(&bookmark.metadata.resource_version)),
        WatchEvent::Error(_) => {}
    }
    for key in index.keys(K::KIND) {
        assert_eq!(index.metadata(&key).is_some(), key.kind == K::KIND, "{key}");
    }
}

/// Asserts that a written object reads as the same object.
fn reads_again<K: DeserializeOwned + Serialize>(object: &K) {
    let written = serde_json::to_value(object).unwrap();
    let again: K = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), written);
}

/// Reads an object's terms and its status from the cache.
fn terms(object: &Object) {
    match object {
        Object::Partner(object) => drop(spec::partner(&object.spec)),
        Object::Membership(object) => drop(spec::membership(&object.spec)),
        Object::Share(object) => drop(spec::share(&object.spec)),
        Object::Unreadable { .. } => {}
    }
}

/// The cache keeps the status of each membership unchanged.
fn status(index: &ObjectCache, text: &str) {
    let Ok(WatchEvent::Added(object)) = serde_json::from_str::<WatchEvent<api::GuestMembership>>(text) else { return };
    let (namespace, name) = (object.meta().namespace.clone(), object.meta().name.clone());
    let slot = index.membership(&namespace.unwrap_or_default(), &name.unwrap_or_default());
    let kept = slot.and_then(|slot| slot.read()).unwrap().status.read();
    assert_eq!(serde_json::to_value(kept).unwrap(), serde_json::to_value(&object.status).unwrap());
}

#[test]
fn watch_events() {
    let corpus = [MEMBERSHIP, PARTNER, SHARE, BOOKMARK, ERROR].map(|text| text.as_bytes().to_vec()).to_vec();
    assert!(serde_json::from_str::<WatchEvent<api::GuestMembership>>(MEMBERSHIP).is_ok());
    fuzz(Subject { name: "events", corpus, words: &WORDS, share: 60 }, |input| {
        let text = String::from_utf8_lossy(input);
        let mut index = ObjectCache::default();
        event::<api::LocalPartner>(&mut index, &text);
        event::<api::AccountShare>(&mut index, &text);
        event::<api::GuestMembership>(&mut index, &text);
        status(&index, &text);
        for kind in Kind::ALL {
            assert!(index.keys(kind).count() <= 1);
        }
    });
}
