local paused = obj.metadata.annotations ~= nil and obj.metadata.annotations["guestlist.dev/paused"] == "true"
local actions = {}
actions["reconcile"] = { ["displayName"] = "Reconcile" }
actions["pause"] = { ["displayName"] = "Pause", ["disabled"] = paused }
actions["resume"] = { ["displayName"] = "Resume", ["disabled"] = not paused }
return actions
