//! All kinds of calls to Keycloak with the role that each needs: together, the permissions of the service account.

use super::client::Endpoint;

const fn endpoint(name: &'static str, needs: &'static str) -> Endpoint {
    Endpoint { name, needs }
}

const USERS: &str = "manage-users";
const ORGANIZATIONS: &str = "manage-organizations";
const EVENTS: &str = "view-events";
/// The role for the check of the sign-in flows. Everything else works without it.
pub const VIEW_REALM: &str = "view-realm";
/// The call needs both roles.
const MEMBERS: &str = "manage-users and the role manage-organizations";

pub const LIST_USERS: Endpoint = endpoint("GET users", USERS);
pub const GET_USER: Endpoint = endpoint("GET users/{id}", USERS);
pub const CREATE_USER: Endpoint = endpoint("POST users", USERS);
pub const PUT_USER: Endpoint = endpoint("PUT users/{id}", USERS);
pub const DELETE_USER: Endpoint = endpoint("DELETE users/{id}", USERS);
pub const LOGOUT: Endpoint = endpoint("POST users/{id}/logout", USERS);
pub const SESSIONS: Endpoint = endpoint("GET users/{id}/sessions", USERS);
pub const OFFLINE_SESSIONS: Endpoint = endpoint("GET users/{id}/offline-sessions/{id}", USERS);
pub const CONSENTS: Endpoint = endpoint("GET users/{id}/consents", USERS);
pub const DELETE_SESSION: Endpoint = endpoint("DELETE sessions/{id}", USERS);
pub const CREDENTIALS: Endpoint = endpoint("GET users/{id}/credentials", USERS);
pub const DELETE_CREDENTIAL: Endpoint = endpoint("DELETE users/{id}/credentials/{id}", USERS);
pub const PROFILE: Endpoint = endpoint("GET users/profile", USERS);

pub const LIST_ORGANIZATIONS: Endpoint = endpoint("GET organizations", ORGANIZATIONS);
pub const GET_ORGANIZATION: Endpoint = endpoint("GET organizations/{id}", ORGANIZATIONS);
pub const CREATE_ORGANIZATION: Endpoint = endpoint("POST organizations", ORGANIZATIONS);
pub const PUT_ORGANIZATION: Endpoint = endpoint("PUT organizations/{id}", ORGANIZATIONS);
pub const DELETE_ORGANIZATION: Endpoint = endpoint("DELETE organizations/{id}", ORGANIZATIONS);
pub const LIST_INVITATIONS: Endpoint = endpoint("GET organizations/{id}/invitations", ORGANIZATIONS);
pub const INVITE: Endpoint = endpoint("POST organizations/{id}/members/invite-user", ORGANIZATIONS);
pub const DELETE_INVITATION: Endpoint = endpoint("DELETE organizations/{id}/invitations/{id}", ORGANIZATIONS);
pub const LIST_MEMBERS: Endpoint = endpoint("GET organizations/{id}/members", MEMBERS);
pub const GET_MEMBER: Endpoint = endpoint("GET organizations/{id}/members/{id}", MEMBERS);
pub const REMOVE_MEMBER: Endpoint = endpoint("DELETE organizations/{id}/members/{id}", MEMBERS);

pub const LIST_GROUPS: Endpoint = endpoint("GET groups", USERS);
pub const GET_GROUP: Endpoint = endpoint("GET groups/{id}", USERS);
pub const LIST_CHILDREN: Endpoint = endpoint("GET groups/{id}/children", USERS);
pub const CREATE_GROUP: Endpoint = endpoint("POST groups", USERS);
pub const CREATE_CHILD: Endpoint = endpoint("POST groups/{id}/children", USERS);
pub const PUT_GROUP: Endpoint = endpoint("PUT groups/{id}", USERS);
pub const DELETE_GROUP: Endpoint = endpoint("DELETE groups/{id}", USERS);
pub const GROUP_MEMBERS: Endpoint = endpoint("GET groups/{id}/members", USERS);
pub const JOIN_GROUP: Endpoint = endpoint("PUT users/{id}/groups/{id}", USERS);
pub const LEAVE_GROUP: Endpoint = endpoint("DELETE users/{id}/groups/{id}", USERS);

pub const ADMIN_EVENTS: Endpoint = endpoint("GET admin-events", EVENTS);
pub const USER_EVENTS: Endpoint = endpoint("GET events", EVENTS);
pub const EVENTS_CONFIG: Endpoint = endpoint("GET events/config", EVENTS);

pub const GET_REALM: Endpoint = endpoint("GET realm", VIEW_REALM);
pub const FLOWS: Endpoint = endpoint("GET ui-ext/authentication-management/flows", VIEW_REALM);
pub const FLOW_CLIENTS: Endpoint = endpoint("GET ui-ext/authentication-management/clients/{id}", VIEW_REALM);
pub const FLOW_STEPS: Endpoint = endpoint("GET authentication/flows/{alias}/executions", VIEW_REALM);
pub const FLOW_CONFIG: Endpoint = endpoint("GET authentication/config/{id}", VIEW_REALM);
