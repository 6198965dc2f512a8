//! The changes that people make: applied, edited and deleted objects.

use super::*;

impl World {
    pub fn partner(&mut self, name: &str, spec: &str) {
        let object = api::LocalPartner::new(name, serde_saphyr::from_str(spec).unwrap());
        self.put(Kind::Partner, name, Object::Partner(Box::new(object)));
    }

    /// A membership of acme, invited by Alice; `more` is added to its spec.
    pub fn member(&mut self, name: &str, role: &str, more: &str) {
        let spec = format!(
            "partnerRef: {{name: acme}}\nemail: {name}@acme.example\nrole: {role}\ninvitedBy: alice@host.example\n{more}"
        );
        self.membership(name, &spec);
    }

    pub fn membership(&mut self, name: &str, spec: &str) {
        let object = api::GuestMembership::new(name, serde_saphyr::from_str(spec).unwrap());
        self.put(Kind::Membership, name, Object::Membership(Box::new(object)));
    }

    /// A share of an account with acme by Alice; `more` is added to its spec.
    pub fn share(&mut self, account: &str, more: &str) {
        let spec = format!("partnerRef: {{name: acme}}\naccount: {account}\nsharedBy: alice@host.example\n{more}");
        self.share_of(account, &spec);
    }

    pub fn share_of(&mut self, name: &str, spec: &str) {
        let object = api::AccountShare::new(name, serde_saphyr::from_str(spec).unwrap());
        self.put(Kind::Share, name, Object::Share(Box::new(object)));
    }

    /// Applies manifests. A new object gets the creation time in its manifest; an existing one gets the new spec.
    pub fn declare(&mut self, manifests: &str) {
        for text in manifests.split("\n---\n") {
            let head: serde_json::Value = serde_saphyr::from_str(text).unwrap();
            let created = head["metadata"]["creationTimestamp"].as_str().map(|text| text.parse().unwrap());
            self.now = created.map_or(self.now, |created: Timestamp| created.max(self.now));
            let name = head["metadata"]["name"].as_str().unwrap();
            match head["kind"].as_str().unwrap() {
                "LocalPartner" => {
                    let object: api::LocalPartner = serde_json::from_value(head.clone()).unwrap();
                    self.put(Kind::Partner, name, Object::Partner(Box::new(object)));
                }
                "GuestMembership" => {
                    let object: api::GuestMembership = serde_json::from_value(head.clone()).unwrap();
                    self.put(Kind::Membership, name, Object::Membership(Box::new(object)));
                }
                _ => {
                    let object: api::AccountShare = serde_json::from_value(head.clone()).unwrap();
                    self.put(Kind::Share, name, Object::Share(Box::new(object)));
                }
            }
        }
    }

    /// The stored object does not fit the types from now on.
    pub fn becomes_unreadable(&mut self, kind: Kind, name: &str) {
        let key = ObjectRef::new(kind, SPACE, name);
        let metadata = Box::new(self.objects[&key].metadata().clone());
        self.store(key, Object::Unreadable { kind, metadata, error: "it does not fit".to_owned() });
    }

    /// Creates an object, or replaces its spec.
    fn put(&mut self, kind: Kind, name: &str, mut object: Object) {
        let key = ObjectRef::new(kind, SPACE, name);
        match self.objects.get(&key).cloned() {
            Some(old) => {
                *meta(&mut object) = old.metadata().clone();
                match (&mut object, old) {
                    (Object::Partner(new), Object::Partner(old)) => new.status = old.status,
                    (Object::Membership(new), Object::Membership(old)) => new.status = old.status,
                    (Object::Share(new), Object::Share(old)) => new.status = old.status,
                    _ => {}
                }
            }
            None => {
                self.counter += 1;
                let fresh = meta(&mut object);
                fresh.namespace = Some(SPACE.to_owned());
                fresh.uid = Some(format!("uid-{}", self.counter));
                fresh.creation_timestamp = Some(Time(self.now));
            }
        }
        let generation = meta(&mut object).generation.unwrap_or_default();
        meta(&mut object).generation = Some(generation + 1);
        self.store(key, object);
    }

    pub(super) fn store(&mut self, key: ObjectRef, mut object: Object) {
        self.counter += 1;
        meta(&mut object).resource_version = Some(self.counter.to_string());
        self.index.apply(object.clone());
        self.objects.insert(key, object);
    }

    pub fn annotate(&mut self, kind: Kind, name: &str, annotation: &str, value: &str) {
        let key = ObjectRef::new(kind, SPACE, name);
        let mut object = self.objects[&key].clone();
        meta(&mut object).annotations.get_or_insert_default().insert(annotation.to_owned(), value.to_owned());
        self.store(key, object);
    }

    /// Deletes like the API server: an object with a finalizer stays until the finalizer is removed.
    pub fn delete(&mut self, kind: Kind, name: &str) {
        self.remove(&ObjectRef::new(kind, SPACE, name));
    }

    /// Deletes the object in spite of its finalizer.
    pub fn vanishes(&mut self, kind: Kind, name: &str) {
        let key = ObjectRef::new(kind, SPACE, name);
        let object = self.objects.remove(&key).unwrap();
        self.index.delete(&key, object.metadata().uid.as_deref().unwrap());
    }

    pub(super) fn remove(&mut self, key: &ObjectRef) {
        let mut object = self.objects[key].clone();
        if meta(&mut object).finalizers.iter().flatten().next().is_none() {
            self.objects.remove(key);
            self.index.delete(key, object.metadata().uid.as_deref().unwrap());
        } else if object.metadata().deletion_timestamp.is_none() {
            meta(&mut object).deletion_timestamp = Some(Time(self.now));
            self.store(key.clone(), object);
        }
    }
}
