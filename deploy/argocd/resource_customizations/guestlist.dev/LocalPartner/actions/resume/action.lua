if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["guestlist.dev/paused"] = nil
end
return obj
