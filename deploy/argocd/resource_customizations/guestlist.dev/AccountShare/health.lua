-- A suspended guest is Healthy: the directory reflects the manifest. So is a guest who has not accepted the invitation yet,
-- because no synchronization waits for a person. A paused object is Suspended.
local health = { status = "Progressing", message = "Waiting for the operator" }
if obj.status == nil or obj.status.conditions == nil then
  return health
end
local ready = nil
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    ready = condition
  end
end
if ready == nil or ready.observedGeneration ~= obj.metadata.generation then
  return health
end
health.message = ready.reason .. ": " .. ready.message
if ready.reason == "Paused" then
  health.status = "Suspended"
elseif ready.status == "True" then
  health.status = "Healthy"
else
  for _, condition in ipairs(obj.status.conditions) do
    if condition.type == "Stalled" and condition.status == "True" then
      health.status = "Degraded"
    end
  end
end
return health
