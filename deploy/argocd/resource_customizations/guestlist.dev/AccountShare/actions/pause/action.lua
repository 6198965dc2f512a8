if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["guestlist.dev/paused"] = "true"
return obj
