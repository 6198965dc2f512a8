local paused = obj.metadata.annotations ~= nil and obj.metadata.annotations["guestlist.dev/paused"] == "true"
local actions = {}
actions["reconcile"] = { ["displayName"] = "Reconcile" }
actions["pause"] = { ["displayName"] = "Pause", ["disabled"] = paused }
actions["resume"] = { ["displayName"] = "Resume", ["disabled"] = not paused }
local open = obj.status ~= nil and (obj.status.state == "Invited" or obj.status.state == "InvitationExpired")
actions["resend-invitation"] = { ["displayName"] = "Resend the invitation", ["disabled"] = not open }
return actions
