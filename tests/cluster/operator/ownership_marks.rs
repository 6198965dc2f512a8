//! Ownership of records: guests whose membership vanished, objects that are restored from a backup, another
//! installation's directory, and records that are due to be purged.

use serde_json::{Value, json};

use crate::support::harness::{BOB, CAROL, Stage, WORLD, deactivated};
use crate::support::operator::{POLICY, eventually};

/// The object vanishes: its finalizer is removed while no operator runs.
fn vanish(stage: &Stage, object: &str) {
    let partners = stage.partners();
    partners.patch(object, r#"{"metadata":{"finalizers":null}}"#);
    partners.delete(object);
}

/// The value of a metric.
fn metric(stage: &Stage, name: &str) -> String {
    let text = stage.operator.probe("/metrics").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or("none").to_owned()
}

#[test]
fn orphan_is_counted_named_and_without_access_until_restored() {
    let mut stage = Stage::start();
    stage.settle();
    stage.operator.kill();
    vanish(&stage, "gm/bob");
    stage.operator.start();
    stage.operator.has_access(BOB, &[]);
    stage.operator.logs(&["Orphaned", "partners/bob", BOB]);
    eventually("the orphan is counted", || match metric(&stage, "guestlist_orphans").as_str() {
        "1" => Ok(()),
        other => Err(other.to_owned()),
    });
    assert_eq!(stage.operator.guest(BOB).unwrap()["state"], "Active", "the record is as it was");
    stage.rests(3);
    stage.apply(WORLD);
    stage.partners().guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    stage.rests(3);
}

#[test]
fn objects_restored_from_a_backup_take_everything_up_as_it_is() {
    let mut stage = Stage::start();
    stage.settle();
    let text = stage.partners().kubectl(&["get", "lp,gm,share", "-o", "json"]).ok();
    let mut backup: Value = serde_json::from_str(&text).unwrap();
    stage.operator.kill();
    for item in backup["items"].as_array_mut().unwrap() {
        let metadata = &item["metadata"];
        item["metadata"] = json!({"name": metadata["name"], "namespace": metadata["namespace"]});
        item.as_object_mut().unwrap().remove("status");
    }
    for object in ["gm/bob", "gm/carol", "share/instagram", "lp/acme"] {
        vanish(&stage, object);
    }
    stage.apply(&backup.to_string());
    stage.operator.start();
    stage.partners().guest("carol", CAROL, "Active", &["instagram:Manager"]);
    stage.partners().guest("bob", BOB, "Active", &["instagram:Collaborator"]);
    stage.rests(3);
    assert_eq!(
        (metric(&stage, "guestlist_orphans"), metric(&stage, "guestlist_live_guests")),
        ("0".into(), "2".into())
    );
}

#[test]
fn other_installation_stops_before_any_change_and_names_the_fix() {
    let mut stage = Stage::start();
    stage.settle();
    stage.operator.terminate();
    let before = (stage.versions(), stage.operator.show());
    stage.operator.policy(&POLICY.replace("installation: test", "installation: another"));
    stage.operator.go();
    stage.operator.logs(&["ForeignDirectory", "\"test\"", "another", "detach --adopt-directory"]);
    eventually("the process ends", || if stage.operator.runs() { Err("it runs on".to_owned()) } else { Ok(()) });
    assert_eq!((stage.versions(), stage.operator.show()), before);
}

#[test]
fn deactivated_record_is_purged_on_time_without_any_object() {
    let mut stage = Stage::start();
    stage.settle();
    let partners = stage.partners();
    partners.patch("lp/acme", r#"{"spec":{"deletion":"Cascade"}}"#);
    partners.delete("lp/acme");
    partners.nobody(BOB);
    partners.nobody(CAROL);
    assert_eq!(deactivated(&stage.operator), [BOB, CAROL]);
    stage.operator.kill();
    stage.operator.policy(&format!("{POLICY}purge: {{after: 0s, perHour: 50%}}\n"));
    stage.operator.start();
    eventually("half of them are purged", || match deactivated(&stage.operator).as_slice() {
        [one] => Ok(one.clone()),
        more => Err(format!("{more:?}\n{}", stage.operator.log())),
    });
    // Another process knows the number of purges within the hour.
    stage.operator.kill();
    stage.operator.start();
    stage.rests(8);
    assert_eq!(deactivated(&stage.operator).len(), 1);
    stage.operator.policy(&format!("{POLICY}purge: {{after: 0s, perHour: 100%}}\n"));
    eventually("the other is purged, too", || match deactivated(&stage.operator).len() {
        0 => Ok(()),
        more => Err(format!("{more}\n{}", stage.operator.log())),
    });
    stage.rests(3);
}
