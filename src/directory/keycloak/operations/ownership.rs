//! The owner of the directory: the first write, and a takeover that also updates every ownership mark.

use super::super::super::{Changed, Error, Owner};
use super::super::pages::{PAGE, PageStep};
use super::super::{Inner, Pages, PoisonError};
use crate::directory::keycloak::users::guest;

impl Inner {
    pub(super) async fn claim(&self, owner: &Owner) -> Result<(), Error> {
        let mut known = self.read_owner().await?;
        if known.is_none() {
            self.groups().claim(owner).await?;
            known = self.read_owner().await?;
        }
        match known {
            Some(known) if known == *owner => Ok(()),
            Some(known) => Err(Error::Foreign { owner: known }),
            None => Err(Error::Unavailable { context: "the realm did not store /guestlist/owner".to_owned() }),
        }
    }

    pub(super) async fn take_over(&self, owner: &Owner) -> Result<(), Error> {
        if self.read_owner().await?.as_ref() != Some(owner) {
            self.groups().take_over(owner).await?;
            self.lead().await?;
            self.changed_too(Changed::Everything);
        }
        *self.owner.lock().unwrap_or_else(PoisonError::into_inner) = Some(owner.clone());
        for mut record in self.list_organizations().await? {
            if !record.is_readable() {
                continue;
            }
            if record.mark.installation == owner.installation && record.mark.cluster == owner.cluster {
                continue;
            }
            record.mark.installation.clone_from(&owner.installation);
            record.mark.cluster.clone_from(&owner.cluster);
            let enabled = self.organization(&record.id).is_some_and(|organization| organization.enabled);
            let organization = self.organization(&record.id);
            self.write_partner(&record, organization, enabled).await?;
        }
        let reader = self.users();
        let mut pages = Pages::default();
        loop {
            let users = reader.page(pages.first(), PAGE).await?;
            let step = pages.add_page(&users.iter().map(|user| user.id.clone()).collect::<Vec<_>>())?;
            for user in &users {
                let Some(mut record) = self.guest_record(user).await? else { continue };
                let Some(mark) = &mut record.mark else { continue };
                mark.installation.clone_from(&owner.installation);
                mark.cluster.clone_from(&owner.cluster);
                let mut written = user.clone();
                guest::write(&record, &mut written.attributes, self.now())?;
                self.put_user(user, &written).await.map_err(Error::from)?;
            }
            if step == PageStep::End {
                return Ok(());
            }
        }
    }
}
