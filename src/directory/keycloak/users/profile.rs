//! The realm's user profile, as far as it concerns guestlist's attributes: only administrators may read and edit
//! them. If users can edit them, they can grant themselves accounts. A realm that does not declare them drops them
//! without an error.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::directory::Error;
use crate::directory::keycloak::client::{Call, Client};
use crate::directory::keycloak::endpoints::PROFILE;
use crate::directory::keycloak::users::attributes::{ALL, has_many};

/// The role that may read and edit guestlist's attributes.
const ADMIN: &str = "admin";
/// The policy that keeps undeclared attributes, for administrators.
const KEPT: &str = "ADMIN_EDIT";
/// The policy that lets users edit undeclared attributes.
const OPEN: &str = "ENABLED";

#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Profile {
    attributes: Vec<Declared>,
    unmanaged_attribute_policy: Option<String>,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Declared {
    name: String,
    permissions: Permissions,
    multivalued: bool,
    required: Option<Value>,
    validations: Option<Map<String, Value>>,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(default)]
struct Permissions {
    view: Vec<String>,
    edit: Vec<String>,
}

impl Declared {
    fn is_for_administrators(&self) -> bool {
        self.permissions.edit == [ADMIN] && self.permissions.view.iter().all(|role| role == ADMIN)
    }

    /// Whether the realm accepts every value of the attribute.
    fn takes_anything(&self) -> bool {
        self.required.is_none() && self.validations.as_ref().is_none_or(Map::is_empty)
    }

    fn is_right(&self) -> bool {
        self.is_for_administrators() && self.multivalued == has_many(&self.name) && self.takes_anything()
    }
}

/// Whether administrators may read an attribute of Keycloak's own, and edit it. Without a declaration they may.
fn is_open(profile: &Profile, name: &str, edit: bool) -> bool {
    let admin = |roles: &[String]| roles.iter().any(|role| role == ADMIN);
    let Some(declared) = profile.attributes.iter().find(|declared| declared.name == name) else { return true };
    let Permissions { view, edit: editors } = &declared.permissions;
    let undeclared = view.is_empty() && editors.is_empty();
    undeclared || admin(editors) || (!edit && admin(view))
}

/// The attributes that guestlist needs and that the realm hides from administrators, each with the fix.
pub fn closed(profile: &Value) -> Vec<String> {
    serde_json::from_value(profile.clone()).map(|profile| closed_in(&profile)).unwrap_or_default()
}

fn closed_in(profile: &Profile) -> Vec<String> {
    let needed = [("username", false, "see"), ("email", true, "edit")];
    let closed = needed.into_iter().filter(|(name, edit, _)| !is_open(profile, name, *edit));
    let say = |(name, _, verb): (&str, bool, &str)| {
        format!(
            "does not let administrators {verb} the attribute {name:?}, so no guest can be written; allow it (Realm settings, \
             User profile, {name}, Permission)"
        )
    };
    closed.map(say).collect()
}

/// Fails if the realm would show guestlist's attributes to users, let them edit them, or drop them.
pub async fn check(client: &Client) -> Result<(), Error> {
    let profile: Profile = client.call(Call::get(PROFILE, &["users", "profile"])).await?.read()?;
    if let Some(why) = closed_in(&profile).first() {
        return Err(Error::Refused { message: format!("the realm's user profile {why}") });
    }
    judge(&profile).map_err(|why| Error::Refused {
        message: format!("the realm's user profile {why}; `guestlist directory setup` declares what is needed"),
    })
}

fn judge(profile: &Profile) -> Result<(), String> {
    for name in ALL {
        match profile.attributes.iter().find(|declared| declared.name == name) {
            Some(declared) if declared.is_right() => {}
            Some(declared) if declared.is_for_administrators() && !declared.takes_anything() => {
                return Err(format!("requires the attribute {name}, or validates it: access could not be revoked"));
            }
            Some(declared) if declared.is_for_administrators() => {
                let many = if has_many(name) { "takes one value only" } else { "takes several values" };
                return Err(format!("{many} in the attribute {name}"));
            }
            Some(_) => return Err(format!("lets others than administrators see or edit the attribute {name}")),
            None => match profile.unmanaged_attribute_policy.as_deref() {
                Some(KEPT) => {}
                Some(OPEN) => {
                    return Err(format!(
                        "lets users edit the attribute {name}, as any that is not declared (unmanaged attributes are \
                         {OPEN}): a guest could grant themselves accounts"
                    ));
                }
                Some(_) | None => {
                    return Err(format!("does not know the attribute {name}: Keycloak would drop it without a word"));
                }
            },
        }
    }
    Ok(())
}

/// The profile with guestlist's attributes declared and everything else unchanged. `None`: they are declared already.
pub fn declare(profile: &Value) -> Option<Value> {
    let mut declared = profile.clone();
    if !declared.is_object() {
        declared = json!({});
    }
    let attributes = declared.as_object_mut()?.entry("attributes").or_insert_with(|| json!([])).as_array_mut()?;
    for name in ALL {
        let permissions = json!({"view": [ADMIN], "edit": [ADMIN]});
        let known = attributes.iter_mut().find(|attribute| attribute.get("name").and_then(Value::as_str) == Some(name));
        match known {
            Some(known) => {
                let right = serde_json::from_value::<Declared>(known.clone()).is_ok_and(|known| known.is_right());
                if let Some(known) = known.as_object_mut().filter(|_| !right) {
                    known.insert("permissions".to_owned(), permissions);
                    known.insert("multivalued".to_owned(), has_many(name).into());
                    known.retain(|field, _| field != "required" && field != "validations");
                }
            }
            None => attributes.push(json!({"name": name, "permissions": permissions, "multivalued": has_many(name)})),
        }
    }
    (declared != *profile).then_some(declared)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn judged(profile: &Value) -> Result<(), String> {
        judge(&serde_json::from_value(profile.clone()).unwrap())
    }

    #[test]
    fn attributes_are_declared_once_beside_existing_ones() {
        let before =
            json!({"attributes": [{"name": "email", "required": {"roles": ["user"]}}], "groups": [{"name": "g"}]});
        let after = declare(&before).unwrap();
        assert_eq!(after["attributes"].as_array().unwrap().len(), 1 + ALL.len());
        assert_eq!((&after["attributes"][0], &after["groups"]), (&before["attributes"][0], &before["groups"]));
        assert_eq!(declare(&after), None);
        assert_eq!(judged(&after), Ok(()));
        assert!(judged(&before).unwrap_err().contains("does not know the attribute guestlist.id"));
    }

    #[test]
    fn attribute_visible_or_editable_by_users_is_refused_and_fixed() {
        for (view, edit) in [(json!(["admin"]), json!(["admin", "user"])), (json!(["admin", "user"]), json!(["admin"]))]
        {
            let mut profile = declare(&Value::Null).unwrap();
            profile["attributes"][6]["permissions"] = json!({"view": view, "edit": edit});
            assert!(judged(&profile).unwrap_err().contains("others than administrators see or edit"), "{profile}");
            assert_eq!(judged(&declare(&profile).unwrap()), Ok(()));
        }
    }

    #[test]
    fn own_attribute_required_or_validated_is_refused_and_fixed() {
        for (field, value) in [("required", json!({})), ("validations", json!({"length": {"max": "10"}}))] {
            let mut profile = declare(&Value::Null).unwrap();
            profile["attributes"][6][field] = value;
            assert!(judged(&profile).unwrap_err().contains("could not be revoked"), "{profile}");
            assert_eq!(declare(&profile), declare(&Value::Null));
        }
        let mut profile = declare(&Value::Null).unwrap();
        profile["attributes"][6]["validations"] = json!({});
        assert_eq!(judged(&profile), Ok(()), "nothing is validated");
    }

    #[test]
    fn undeclared_attributes_require_the_admin_edit_policy() {
        for (policy, said) in [
            (json!("ADMIN_EDIT"), None),
            (json!("ENABLED"), Some("lets users edit the attribute guestlist.id")),
            (json!("ADMIN_VIEW"), Some("does not know the attribute")),
            (Value::Null, Some("does not know the attribute")),
        ] {
            let result = judged(&json!({"attributes": [], "unmanagedAttributePolicy": policy}));
            match said {
                None => assert_eq!(result, Ok(())),
                Some(said) => assert!(result.unwrap_err().contains(said), "{policy}"),
            }
        }
        // Declared attributes are safe, whatever the policy is.
        let mut profile = declare(&Value::Null).unwrap();
        profile["unmanagedAttributePolicy"] = json!("ENABLED");
        assert_eq!(judged(&profile), Ok(()));
    }

    #[test]
    fn address_that_administrators_cannot_write_is_refused() {
        let both = json!(["admin", "user"]);
        for (name, view, edit, closed) in [
            ("email", both.clone(), both.clone(), false),
            ("email", json!([]), json!(["admin"]), false),
            ("email", json!([]), json!([]), false),
            ("email", both.clone(), json!([]), true),
            ("email", json!(["user"]), json!(["user"]), true),
            ("username", both.clone(), json!([]), false),
            ("username", json!(["user"]), json!(["user"]), true),
            ("firstName", json!(["user"]), json!(["user"]), false),
        ] {
            let profile = json!({"attributes": [{"name": name, "permissions": {"view": view, "edit": edit}}]});
            assert_eq!(!super::closed(&profile).is_empty(), closed, "{profile}");
        }
        assert!(super::closed(&Value::Null).is_empty());
    }

    #[test]
    fn grants_take_several_values_and_the_record_one() {
        let mut profile = declare(&Value::Null).unwrap();
        profile["attributes"][5]["multivalued"] = json!(false);
        assert!(judged(&profile).unwrap_err().contains("takes one value only in the attribute guestlist.grants"));
        let mut profile = declare(&Value::Null).unwrap();
        profile["attributes"][4]["multivalued"] = json!(true);
        assert!(judged(&profile).unwrap_err().contains("takes several values in the attribute guestlist.record"));
    }
}
